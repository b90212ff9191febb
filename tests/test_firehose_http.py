"""Firehose to HTTP endpoints: a real server that checks what arrives, and fails when told to."""

import base64
import contextlib
import gzip
import http.server
import json
import re
import ssl
import threading
import time

import pytest
import trustme
from conftest import ACCESS_KEY as ACCOUNT
from conftest import Server, eventually, refused
from delivery_streams import ERRORS, LINES, NOW, ROLE, lines, new_name, objects, path_style, put
from test_commands import command

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ID = "X-Amz-Firehose-Request-Id"
HANG_SECONDS_MAX = 60


class Endpoint:
    """Takes requests, one behaviour after the other and then all of them."""

    def __init__(self, authority):
        self.requests, self.taken, self.behaviours = [], {}, []
        self.lock, self.released = threading.Lock(), threading.Event()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                endpoint.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"https://localhost:{self.server.server_port}/in?key=1"

    def stop(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        body = gzip.decompress(body) if request.headers["Content-Encoding"] == "gzip" else body
        document, id = json.loads(body), request.headers[ID]
        assert document.keys() == {"requestId", "timestamp", "records"} and document["requestId"] == id
        with self.lock:
            self.requests.append((id, request.path, dict(request.headers), document))
            behaviour = self.behaviours.pop(0) if self.behaviours else "take"
        acknowledgement = {"requestId": id, "timestamp": int(time.time() * 1000)}
        status, text = 200, json.dumps(acknowledgement)
        match behaviour:
            case "take":
                with self.lock:
                    assert id not in self.taken
                    self.taken[id] = [base64.b64decode(record["data"]) for record in document["records"]]
            case "hang up":
                with contextlib.suppress(OSError):
                    request.connection.shutdown(2)
                request.close_connection = True
                return
            case "half":
                request.send_response(200)
                request.send_header("Content-Length", "1000")
                request.end_headers()
                request.wfile.write(text[:10].encode())
                request.close_connection = True
                return
            case "wait":
                self.released.wait(HANG_SECONDS_MAX)
                status = 503
            case "large":
                text = json.dumps({**acknowledgement, "errorMessage": "x" * (1 << 20)})
            case "other id":
                text = json.dumps({**acknowledgement, "requestId": "other"})
            case "no json":
                text = "OK"
            case int():
                status, text = behaviour, json.dumps({**acknowledgement, "errorMessage": f"told to answer {behaviour}"})
        with contextlib.suppress(OSError):
            request.send_response(status)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(text)))
            request.end_headers()
            request.wfile.write(text.encode())

    def records(self):
        with self.lock:
            return [record for records in self.taken.values() for record in records]


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def endpoint(authority):
    endpoint = Endpoint(authority)
    yield endpoint
    endpoint.stop()


@pytest.fixture(scope="module")
def trusting(authority, tmp_path_factory):
    """A server that trusts the endpoints' authority."""
    directory = tmp_path_factory.mktemp("http")
    authority.cert_pem.write_to_path(directory / "authority.pem")
    server = Server(directory / "data").start({"SSL_CERT_FILE": str(directory / "authority.pem")})
    server.authority = directory / "authority.pem"
    yield server
    server.stop()


def make(server, endpoint, bucket, **more):
    """A delivery stream to the endpoint, and the client."""
    firehose, s3, name = server.client("firehose"), path_style(server), new_name()
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=bucket)
    configuration = {
        "EndpointConfiguration": {"Url": endpoint.url, "Name": "ours", "AccessKey": "the secret"},
        "BufferingHints": NOW,
        "S3Configuration": {
            "RoleARN": ROLE, "BucketARN": f"arn:aws:s3:::{bucket}", "ErrorOutputPrefix": ERRORS, "Prefix": "raw/", "BufferingHints": NOW
        },
        **more,
    }
    firehose.create_delivery_stream(DeliveryStreamName=name, HttpEndpointDestinationConfiguration=configuration)
    return firehose, s3, name


def failures(s3, bucket):
    found = lines(objects(s3, bucket, "errors/http-endpoint-failed/").values())
    return [json.loads(line) for line in found]


@pytest.mark.parametrize("encoding", ["NONE", "GZIP"])
def test_requests_are_as_documented(trusting, endpoint, encoding):
    attributes = [{"AttributeName": "team", "AttributeValue": "data"}, {"AttributeName": "n", "AttributeValue": "1 \"2\""}]
    request = {"ContentEncoding": encoding, "CommonAttributes": attributes}
    firehose, s3, name = make(trusting, endpoint, "documented", RequestConfiguration=request, ProcessingConfiguration=LINES)
    before = time.time() * 1000
    records = [b"%d \xff\x00" % n for n in range(1200)]
    put(firehose, name, records)
    eventually(lambda: len(endpoint.records()) == 1200)
    assert endpoint.records() == [record + b"\n" for record in records]
    for id, path, headers, document in endpoint.requests:
        assert path == "/in?key=1" and UUID.fullmatch(id)
        assert headers["X-Amz-Firehose-Protocol-Version"] == "1.0"
        assert headers["X-Amz-Firehose-Access-Key"] == "the secret"
        assert headers["X-Amz-Firehose-Source-Arn"] == f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/{name}"
        assert json.loads(headers["X-Amz-Firehose-Common-Attributes"]) == {"commonAttributes": {"team": "data", "n": '1 "2"'}}
        assert headers["Content-Type"] == "application/json"
        assert headers.get("Content-Encoding") == (None if encoding == "NONE" else "gzip")
        assert before <= document["timestamp"] <= time.time() * 1000
    assert objects(s3, "documented") == {}
    described = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]["Destinations"]
    assert described == [
        {
            "DestinationId": "destinationId-000000000001",
            "HttpEndpointDestinationDescription": {
                "EndpointConfiguration": {"Url": endpoint.url, "Name": "ours"},
                "BufferingHints": NOW,
                "CloudWatchLoggingOptions": {"Enabled": False},
                "RequestConfiguration": request,
                "ProcessingConfiguration": LINES,
                "RetryOptions": {"DurationInSeconds": 300},
                "S3BackupMode": "FailedDataOnly",
                "S3DestinationDescription": {
                    "RoleARN": ROLE, "BucketARN": "arn:aws:s3:::documented", "Prefix": "raw/", "ErrorOutputPrefix": ERRORS,
                    "BufferingHints": NOW, "CompressionFormat": "UNCOMPRESSED",
                    "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"}, "CloudWatchLoggingOptions": {"Enabled": False},
                },
            },
        }
    ]


def test_a_request_is_tried_again_under_its_id(trusting, endpoint):
    endpoint.behaviours = [500, "half", "no json"]
    firehose, s3, name = make(trusting, endpoint, "again")
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"one"})
    eventually(lambda: endpoint.records() == [b"one"])
    assert len(endpoint.requests) == 4 and len({(id, json.dumps(document)) for id, _, _, document in endpoint.requests}) == 1
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"two"})
    eventually(lambda: endpoint.records() == [b"one", b"two"])
    assert objects(s3, "again") == {}


@pytest.mark.parametrize(
    "behaviour, code, message",
    [
        (429, "DestinationException", "429 Too Many Requests: told to answer 429"),
        (302, "DestinationException", "302 Found"),
        ("hang up", "ConnectionReset", ""),
        ("large", "ResponseTooLarge", "more than 1048576 bytes"),
        ("other id", "InvalidResponseFromDestination", "does not name the request"),
        (413, "DestinationException", "413 Payload Too Large: told to answer 413"),
    ],
)
def test_what_the_endpoint_does_not_take_in_time_is_documented(trusting, endpoint, behaviour, code, message):
    endpoint.behaviours = [behaviour] * 2
    bucket = new_name().lower()
    firehose, s3, name = make(trusting, endpoint, bucket, RetryOptions={"DurationInSeconds": 2})
    before = time.time() * 1000
    put(firehose, name, [b"a", b"\xff\x00"])
    (first, second) = eventually(lambda: failures(s3, bucket))
    attempts = len(endpoint.requests)
    assert attempts == (1 if behaviour == 413 else 2)
    for failure, data in ((first, b"a"), (second, b"\xff\x00")):
        assert base64.b64decode(failure["rawData"]) == data
        assert failure["attemptsMade"] == attempts and failure["errorCode"] == f"HttpEndpoint.{code}"
        assert message in failure["errorMessage"]
        assert before <= failure["arrivalTimestamp"] <= failure["attemptEndingTimestamp"] <= time.time() * 1000
    # It is shown until the endpoint takes something.
    shown = lambda: next(each for each in json.loads(command(trusting, "deliveries", "--json").stdout) if each["name"] == name)
    told = eventually(lambda: (now := shown())["failed_records"] == 2 and now)
    assert f"HttpEndpoint.{code}: " in told["last_error"] and told["failed_attempts"] == attempts
    # The next are delivered as if nothing had been.
    endpoint.behaviours = []
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"next"})
    eventually(lambda: endpoint.records() == [b"next"])
    eventually(lambda: shown()["last_error"] is None and shown()["delivered_records"] == 1)
    assert len(failures(s3, bucket)) == 2


def test_an_endpoint_that_nobody_vouches_for_gets_nothing(trusting):
    stranger = Endpoint(trustme.CA())
    try:
        firehose, s3, name = make(trusting, stranger, "stranger", RetryOptions={"DurationInSeconds": 0})
        firehose.put_record(DeliveryStreamName=name, Record={"Data": b"one"})
        (failure,) = eventually(lambda: failures(s3, "stranger"))
        assert failure["errorCode"] == "HttpEndpoint.SSLHandshakeFailure" and "certificate" in failure["errorMessage"]
        assert stranger.requests == []
    finally:
        stranger.stop()


def test_all_data_is_kept_where_asked(trusting, endpoint):
    firehose, s3, name = make(trusting, endpoint, "kept", S3BackupMode="AllData")
    put(firehose, name, [b"a\n", b"b\n"])
    eventually(lambda: lines(objects(s3, "kept", "raw/").values()) == [b"a", b"b"])
    eventually(lambda: endpoint.records() == [b"a\n", b"b\n"])


def test_large_buffers_go_in_several_requests(trusting, endpoint):
    hints = {"SizeInMBs": 64, "IntervalInSeconds": 2}
    firehose, s3, name = make(trusting, endpoint, "large", BufferingHints=hints)
    records = [b"%d" % n for n in range(12_000)]
    put(firehose, name, records)
    eventually(lambda: len(endpoint.records()) == 12_000)
    assert endpoint.records() == records and max(len(taken) for taken in endpoint.taken.values()) <= 10_000


def test_an_update_mends_an_endpoint_that_fails(trusting, endpoint):
    endpoint.behaviours = [500] * 1000
    firehose, s3, name = make(trusting, endpoint, "mended", RetryOptions={"DurationInSeconds": 7200})
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"one"})
    eventually(lambda: len(endpoint.requests) >= 1)

    def update(version, **more):
        firehose.update_destination(
            DeliveryStreamName=name, CurrentDeliveryStreamVersionId=version, DestinationId="destinationId-000000000001", **more
        )

    update("1", HttpEndpointDestinationUpdate={"EndpointConfiguration": {"Url": endpoint.url + "&key=2", "AccessKey": "another"}})
    eventually(lambda: any("key=2" in path for _, path, _, _ in endpoint.requests))
    endpoint.behaviours = []
    eventually(lambda: endpoint.records() == [b"one"])
    assert endpoint.requests[-1][2]["X-Amz-Firehose-Access-Key"] == "another"
    assert len({id for id, *_ in endpoint.requests}) == 1, "it may have been taken, so it keeps its id"


def test_a_destination_may_become_one_of_another_type(trusting, endpoint):
    endpoint.behaviours = [500] * 1000
    firehose, s3, name = make(trusting, endpoint, "turned", RetryOptions={"DurationInSeconds": 7200})
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"one\n"})
    eventually(lambda: len(endpoint.requests) >= 1)

    def update(version, **more):
        firehose.update_destination(
            DeliveryStreamName=name, CurrentDeliveryStreamVersionId=version, DestinationId="destinationId-000000000001", **more
        )

    with refused("InvalidArgumentException", "RoleARN must be specified when the type of the destination changes"):
        update("1", ExtendedS3DestinationUpdate={"Prefix": "x/"})
    bucket = {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::turned", "BufferingHints": NOW}
    update("1", ExtendedS3DestinationUpdate={**bucket, "Prefix": "x/"})
    eventually(lambda: lines(objects(s3, "turned", "x/").values()) == [b"one"])
    endpoint.behaviours = []
    before = len(endpoint.requests)
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"two\n"})
    eventually(lambda: sorted(lines(objects(s3, "turned", "x/").values())) == [b"one", b"two"])
    assert len(endpoint.requests) == before
    configuration = {"EndpointConfiguration": {"Url": endpoint.url}, "BufferingHints": NOW, "S3Update": bucket}
    update("2", HttpEndpointDestinationUpdate=configuration)
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"three\n"})
    eventually(lambda: endpoint.records()[-1:] == [b"three\n"])
    assert "X-Amz-Firehose-Access-Key" not in endpoint.requests[-1][2], "nothing of the first endpoint's"
    described = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    (destination,) = described["Destinations"]
    assert "ExtendedS3DestinationDescription" not in destination and described["VersionId"] == "3"
    assert destination["HttpEndpointDestinationDescription"]["S3BackupMode"] == "FailedDataOnly"


def test_kill_9_loses_nothing_and_doubles_no_id(server, endpoint, trusting):
    """The endpoint keeps ids, as the protocol asks of it; so every record is there once."""
    environment = {"SSL_CERT_FILE": str(trusting.authority)}
    server.stop()
    server.start(environment)
    sent = []
    for round in range(5):
        if round == 0:
            firehose, s3, name = make(server, endpoint, "crash")
        # What is under way when the server dies was heard, and was not answered.
        endpoint.behaviours = ["wait"]
        records = [f"{round}-{n}".encode() for n in range(200)]
        put(firehose, name, records)
        sent += records
        heard = len(endpoint.requests)
        eventually(lambda: endpoint.behaviours == [])
        server.kill()
        endpoint.released.set()
        endpoint.behaviours = []
        server.start(environment)
        eventually(lambda: len(endpoint.records()) >= len(sent))
        endpoint.released.clear()
        assert len(endpoint.requests) > heard
    assert sorted(endpoint.records()) == sorted(sent)
    assert objects(s3, "crash") == {}


def test_what_does_not_fit_is_refused(trusting, endpoint):
    firehose = trusting.client("firehose")
    good = {
        "EndpointConfiguration": {"Url": endpoint.url},
        "S3Configuration": {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::any"},
    }
    secret = {"Enabled": True, "SecretARN": "arn:aws:secretsmanager:us-east-1:000000000000:secret:s", "RoleARN": ROLE}
    twice = [{"AttributeName": "a", "AttributeValue": "1"}, {"AttributeName": "a", "AttributeValue": "2"}]
    lambdas = {"Enabled": True, "Processors": [{"Type": "Lambda"}]}
    splits = {"Enabled": True, "Processors": [{"Type": "RecordDeAggregation"}]}
    for more, code, message in [
        ({"EndpointConfiguration": {"Url": "http://localhost/"}}, "ValidationException", "https://"),
        ({"EndpointConfiguration": {"Url": "https://not a host/"}}, "InvalidArgumentException", "is invalid"),
        ({"RequestConfiguration": {"CommonAttributes": twice}}, "InvalidArgumentException", "more than once"),
        ({"SecretsManagerConfiguration": secret}, "InvalidArgumentException", "catchment does not read access keys from Secrets Manager"),
        ({"ProcessingConfiguration": lambdas}, "InvalidArgumentException", "catchment does not run Lambda processors yet."),
        ({"ProcessingConfiguration": splits}, "InvalidArgumentException", "Dynamic Partitioning is enabled"),
        ({"BufferingHints": {"SizeInMBs": 65, "IntervalInSeconds": 60}}, "ValidationException", "less than or equal to 64"),
        ({"RetryOptions": {"DurationInSeconds": 7201}}, "ValidationException", "less than or equal to 7200"),
    ]:
        with refused(code, message):
            firehose.create_delivery_stream(DeliveryStreamName="never", HttpEndpointDestinationConfiguration={**good, **more})
    with refused("ResourceNotFoundException"):
        firehose.describe_delivery_stream(DeliveryStreamName="never")
