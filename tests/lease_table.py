"""The part of DynamoDB that the Kinesis Client Library 1 keeps its leases in, in memory and behind TLS."""

import http.server
import json
import ssl
import threading


class Refused(Exception):
    """What DynamoDB calls an error, by its type."""


class LeaseTable:
    """A server for tables whose key is `leaseKey`. It knows the legacy parameters `Expected` and `AttributeUpdates`."""

    def __init__(self, certificate, key):
        self.tables, self.lock, self.unknown = {}, threading.Lock(), []
        handler = type("Handler", (Handler,), {"table": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def leases(self, table):
        with self.lock:
            return {key: dict(item) for key, item in self.tables.get(table, {}).items()}

    def call(self, operation, body):
        with self.lock:
            name = body["TableName"]
            if operation == "CreateTable":
                self.tables.setdefault(name, {})
                return {}
            if name not in self.tables:
                raise Refused("ResourceNotFoundException")
            items = self.tables[name]
            if operation == "DescribeTable":
                return {"Table": {"TableName": name, "TableStatus": "ACTIVE"}}
            if operation == "Scan":
                return {"Items": list(items.values()), "Count": len(items)}
            key = (body.get("Key") or body["Item"])["leaseKey"]["S"]
            item = items.get(key, {})
            if operation == "GetItem":
                return {"Item": item} if item else {}
            for attribute, expected in body.get("Expected", {}).items():
                # Without a value, the attribute is not to be there.
                if item.get(attribute) != expected.get("Value"):
                    raise Refused("ConditionalCheckFailedException")
            if operation == "PutItem":
                items[key] = body["Item"]
            elif operation == "DeleteItem":
                items.pop(key, None)
            elif operation == "UpdateItem":
                items[key] = updated(item | body["Key"], body["AttributeUpdates"])
            else:
                raise NotImplementedError(operation)
            return {}


def updated(item, updates):
    for attribute, update in updates.items():
        match update.get("Action", "PUT"):
            case "PUT":
                item[attribute] = update["Value"]
            case "DELETE":
                item.pop(attribute, None)
            case action:
                raise NotImplementedError(action)
    return item


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        try:
            status, answer = 200, self.table.call(operation, body)
        except Refused as error:
            status, answer = 400, {"__type": f"com.amazonaws.dynamodb.v20120810#{error}", "message": str(error)}
        except Exception as error:
            self.table.unknown.append((operation, body, repr(error)))
            status, answer = 400, {"__type": "com.amazon.coral.validate#ValidationException", "message": repr(error)}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass
