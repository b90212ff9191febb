"""The wire protocols: signatures, bodies and errors of each kind, through boto3 and by hand."""

import base64
import contextlib
import datetime
import gzip
import hashlib
import hmac
import http.client
import io
import json
import pathlib
import re
import ssl
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import cbor2
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import Server

ROOT = pathlib.Path(__file__).parent.parent
INDEX = {entry["name"]: entry for entry in json.loads((ROOT / "models" / "index.json").read_text())}
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
OTHER_ACCOUNT = "111122223333"
OTHER_KEY, OTHER_SECRET = "AKIDOTHER", "another/secret+key"
PATH_STYLE = Config(s3={"addressing_style": "path"})
HTTP2_BUCKET = "http2-signed"
UNCHECKED = Config(parameter_validation=False)
MISMATCH = "The request signature we calculated does not match the signature you provided."


@pytest.fixture(scope="module")
def signed_server(tmp_path_factory):
    """A server that believes two keys only."""
    keys = [f"--access-key={KEY}:{SECRET}", f"--access-key={OTHER_KEY}:{OTHER_SECRET}:{OTHER_ACCOUNT}"]
    server = Server(tmp_path_factory.mktemp("signed") / "data", keys).start()
    yield server
    server.stop()


@pytest.fixture
def signed(signed_server):
    """Makes clients that sign with the first key, or with the given one."""

    def make(service, key=KEY, secret=SECRET, **more):
        config = PATH_STYLE.merge(more.pop("config", Config()))
        more = {"aws_access_key_id": key, "aws_secret_access_key": secret, "config": config, **more}
        return signed_server.client(service, **more)

    return make


@contextlib.contextmanager
def refused(code, status, text=""):
    with pytest.raises(ClientError) as error:
        yield error
    response = error.value.response
    found = response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]
    assert found == (code, status), response
    assert text in response["Error"].get("Message", ""), response


def send(endpoint, method="POST", path="/", body=b"", headers=None):
    """One request, exactly as given. Returns the status, the headers and the body."""
    address = urllib.parse.urlsplit(endpoint)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def json_call(endpoint, target, body, version="1.1", **headers):
    headers = {"X-Amz-Target": target, "Content-Type": f"application/x-amz-json-{version}", **headers}
    status, headers, body = send(endpoint, body=body if isinstance(body, (bytes, str)) else json.dumps(body), headers=headers)
    return status, headers, json.loads(body) if body else {}


class Signer:
    """Signs requests as botocore does, at a time of our choosing, so that they can be spoiled afterwards."""

    def __init__(self, endpoint, service, key=KEY, secret=SECRET, skew=0):
        self.endpoint, self.service, self.skew = endpoint, service, skew
        self.credentials = botocore.credentials.Credentials(key, secret)

    def sign(self, method="POST", path="/", body=b"", headers=None, auth=None):
        request = botocore.awsrequest.AWSRequest(method, self.endpoint + path, data=body, headers=headers or {})
        kind = auth or (botocore.auth.S3SigV4Auth if self.service == "s3" else botocore.auth.SigV4Auth)
        signer = kind(self.credentials, self.service, "us-east-1")
        with shifted(self.skew):
            signer.add_auth(request)
        signed = dict(request.prepare().headers)
        signed.pop("Content-Length", None)
        signed["Host"] = urllib.parse.urlsplit(self.endpoint).netloc
        return {name: value.decode() if isinstance(value, bytes) else value for name, value in signed.items()}

    def send(self, method="POST", path="/", body=b"", headers=None, spoil=None, sent_body=None):
        signed = self.sign(method, path, body, headers)
        if spoil:
            spoil(signed)
        return send(self.endpoint, method, path, body if sent_body is None else sent_body, signed)


@contextlib.contextmanager
def shifted(seconds):
    """botocore's clock runs ahead by so many seconds."""
    real = botocore.auth.get_current_datetime

    def moved(remove_tzinfo=True):
        return real(remove_tzinfo) + datetime.timedelta(seconds=seconds)

    botocore.auth.get_current_datetime = moved
    try:
        yield
    finally:
        botocore.auth.get_current_datetime = real


def error_of(answer):
    """The code and message of an error in whichever form it came."""
    status, headers, body = answer
    if body.startswith(b"{"):
        value = json.loads(body)
        return status, value["__type"], value.get("message", value.get("Message", ""))
    text = body.decode()
    found = lambda tag: (re.search(f"<{tag}>(.*?)</{tag}>", text, re.S) or [None, ""])[1]
    return status, found("Code"), found("Message")


# Signatures


def test_the_right_key_works_for_every_protocol(signed):
    kinesis = signed("kinesis")
    kinesis.create_stream(StreamName="signed", ShardCount=1)
    assert "signed" in kinesis.list_streams()["StreamNames"]
    assert signed("sts").get_caller_identity()["Account"] == "000000000000"
    s3 = signed("s3")
    s3.create_bucket(Bucket="signed-bucket")
    s3.put_object(Bucket="signed-bucket", Key="a b/ü+~'()*!", Body=b"hello", Metadata={"k": "v  w"})
    assert s3.get_object(Bucket="signed-bucket", Key="a b/ü+~'()*!")["Body"].read() == b"hello"
    with refused("NotImplemented", 501):
        signed("lambda").list_functions()


def test_calls_act_in_the_account_of_their_key(signed):
    mine, theirs = signed("kinesis"), signed("kinesis", OTHER_KEY, OTHER_SECRET)
    theirs.create_stream(StreamName="theirs", ShardCount=1)
    arn = theirs.describe_stream_summary(StreamName="theirs")["StreamDescriptionSummary"]["StreamARN"]
    assert arn == f"arn:aws:kinesis:us-east-1:{OTHER_ACCOUNT}:stream/theirs"
    assert "theirs" not in mine.list_streams()["StreamNames"]
    identity = signed("sts", OTHER_KEY, OTHER_SECRET).get_caller_identity()
    assert identity["Account"] == OTHER_ACCOUNT and OTHER_ACCOUNT in identity["Arn"]


@pytest.mark.parametrize(
    "service, call, unknown, wrong",
    [
        ("kinesis", "list_streams", "UnrecognizedClientException", "InvalidSignatureException"),
        ("sts", "get_caller_identity", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("s3", "list_buckets", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
        ("lambda", "list_functions", "UnrecognizedClientException", "InvalidSignatureException"),
        ("cloudwatch", "list_metrics", "UnrecognizedClientException", "InvalidSignatureException"),
    ],
)
def test_wrong_and_unknown_keys_are_refused(signed, service, call, unknown, wrong):
    with refused(unknown, 403):
        getattr(signed(service, key="AKIDNOBODY"), call)()
    with refused(wrong, 403, MISMATCH):
        getattr(signed(service, secret="wrong"), call)()


@pytest.mark.parametrize(
    "service, form, code",
    [
        ("kinesis", "json", "MissingAuthenticationTokenException"),
        ("sts", "query", "MissingAuthenticationToken"),
        ("s3", "s3", "AccessDenied"),
    ],
)
def test_unsigned_requests_are_refused(signed_server, service, form, code):
    requests = {
        "json": dict(headers={"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}, body=b"{}"),
        "query": dict(headers={"Content-Type": "application/x-www-form-urlencoded"}, body=b"Action=GetCallerIdentity&Version=2011-06-15"),
        "s3": dict(method="GET"),
    }
    answer = send(signed_server.endpoint, **requests[form])
    assert error_of(answer)[:2] == (403, code), answer


LIST = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
IDENTITY = b"Action=GetCallerIdentity&Version=2011-06-15"


@pytest.mark.parametrize(
    "name, value, code, text",
    [
        ("Authorization", "AWS4-HMAC-SHA256 nonsense", "IncompleteSignatureException", "not a valid key=value pair"),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0", "IncompleteSignatureException", "Credential"),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/kinesis/aws4_request, SignedHeaders=host", "IncompleteSignatureException", "'Signature'"),
        ("Authorization", "Basic dXNlcjpwYXNz", "IncompleteSignatureException", "AWS4-HMAC-SHA256"),
        ("Authorization", "", "IncompleteSignatureException", "AWS4-HMAC-SHA256"),
        ("X-Amz-Date", "yesterday", "IncompleteSignatureException", "ISO-8601"),
        ("X-Amz-Date", None, "IncompleteSignatureException", "X-Amz-Date"),
    ],
)
def test_signatures_that_cannot_be_read_are_refused(signed_server, name, value, code, text):
    def spoil(headers):
        headers.pop(name)
        if value is not None:
            headers[name] = value

    answer = Signer(signed_server.endpoint, "kinesis").send(body=b"{}", headers=LIST, spoil=spoil)
    status, found, message = error_of(answer)
    assert (status, found) == (400, code) and text in message, answer


def test_what_changes_on_the_way_is_refused(signed_server):
    kinesis, sts = Signer(signed_server.endpoint, "kinesis"), Signer(signed_server.endpoint, "sts")
    assert kinesis.send(body=b"{}", headers=LIST)[0] == 200
    assert sts.send(body=IDENTITY, headers=FORM)[0] == 200
    body = kinesis.send(body=b'{"Limit": 1}', headers=LIST, sent_body=b'{"Limit": 2}')
    assert error_of(body)[:2] == (403, "InvalidSignatureException"), body
    body = sts.send(body=IDENTITY, headers=FORM, sent_body=IDENTITY.replace(b"2011", b"2012"))
    assert error_of(body)[:2] == (403, "SignatureDoesNotMatch"), body

    def other_operation(headers):
        headers["X-Amz-Target"] = "Kinesis_20131202.DescribeLimits"

    def other_region(headers):
        headers["Authorization"] = headers["Authorization"].replace("us-east-1", "eu-west-1")

    def other_service(headers):
        headers["Authorization"] = headers["Authorization"].replace("/kinesis/", "/glue/")

    def added(headers):
        headers["X-Amz-Security-Token"] = "unsigned"

    def without_host(headers):
        headers["Authorization"] = headers["Authorization"].replace("host;", "")

    for spoil in (other_operation, other_region, other_service, added, without_host):
        answer = kinesis.send(body=b"{}", headers=LIST, spoil=spoil)
        assert error_of(answer)[:2] == (403, "InvalidSignatureException"), (spoil, answer)
    query = kinesis.send(path="/?a=1", body=b"{}", headers=LIST)
    assert query[0] == 200
    signed = kinesis.sign(path="/?a=1", body=b"{}", headers=LIST)
    answer = send(signed_server.endpoint, "POST", "/?a=2", b"{}", signed)
    assert error_of(answer)[:2] == (403, "InvalidSignatureException"), answer


def test_a_target_that_is_not_signed_is_refused(signed_server):
    """Whoever has a signed request must not be able to make another of it by adding headers."""
    headers = {"Content-Type": "application/x-amz-json-1.1"}

    def add(signed):
        signed["X-Amz-Target"] = "Kinesis_20131202.ListStreams"

    answer = Signer(signed_server.endpoint, "kinesis").send(body=b"{}", headers=headers, spoil=add)
    status, code, message = error_of(answer)
    assert (status, code) == (403, "InvalidSignatureException") and "x-amz-target" in message, answer


@pytest.mark.parametrize("skew", [-360, 360])
def test_clocks_that_are_far_off_are_refused(signed_server, skew):
    text = "Signature expired: " if skew < 0 else "Signature not yet current: "
    send_with = lambda service, seconds, **request: Signer(signed_server.endpoint, service, skew=seconds).send(**request)
    status, code, message = error_of(send_with("kinesis", skew, body=b"{}", headers=LIST))
    assert (status, code) == (403, "InvalidSignatureException") and message.startswith(text), message
    status, code, message = error_of(send_with("sts", skew, body=IDENTITY, headers=FORM))
    assert (status, code) == (403, "SignatureDoesNotMatch") and message.startswith(text), message
    assert send_with("s3", skew, method="GET")[0] == 200, "S3 allows 15 minutes"
    status, code, _ = error_of(send_with("s3", skew * 3, method="GET"))
    assert (status, code) == (403, "RequestTimeTooSkewed")
    assert send_with("kinesis", skew // 2, body=b"{}", headers=LIST)[0] == 200


# S3's ways to sign a body


@pytest.fixture(scope="module")
def bucket(signed_server):
    s3 = signed_server.client("s3", aws_access_key_id=KEY, aws_secret_access_key=SECRET, config=PATH_STYLE)
    s3.create_bucket(Bucket="bodies")
    return "bodies"


@pytest.fixture
def stored(signed, bucket):
    s3 = signed("s3")

    def read(key):
        try:
            return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None

    return read


def test_a_signed_payload_is_checked(signed_server, bucket, stored):
    s3 = Signer(signed_server.endpoint, "s3")
    assert s3.send("PUT", f"/{bucket}/signed", b"hello")[0] == 200
    assert stored("signed") == b"hello"
    answer = s3.send("PUT", f"/{bucket}/tampered", b"hello", sent_body=b"jello")
    assert error_of(answer)[:2] == (400, "XAmzContentSHA256Mismatch"), answer
    assert stored("tampered") is None

    def unsigned(headers):
        headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"

    answer = s3.send("PUT", f"/{bucket}/tampered", b"hello", spoil=unsigned, sent_body=b"jello")
    assert error_of(answer)[:2] == (403, "SignatureDoesNotMatch"), answer

    def without(headers):
        headers.pop("X-Amz-Content-SHA256")

    answer = s3.send("PUT", f"/{bucket}/tampered", b"hello", spoil=without, sent_body=b"jello")
    assert error_of(answer)[0] in (400, 403), answer
    assert stored("tampered") is None


def test_s3_needs_to_be_told_how_the_body_is_signed(signed_server, bucket, stored):
    """Signed as other services do it, without the hash in a header, nothing would cover the body."""
    s3 = Signer(signed_server.endpoint, "s3")
    signed = s3.sign("PUT", f"/{bucket}/uncovered", b"", auth=botocore.auth.SigV4Auth)
    assert "X-Amz-Content-SHA256" not in signed
    answer = send(signed_server.endpoint, "PUT", f"/{bucket}/uncovered", b"anything", signed)
    status, code, message = error_of(answer)
    assert (status, code) == (400, "InvalidRequest") and "x-amz-content-sha256" in message, answer

    class Odd(botocore.auth.S3SigV4Auth):
        def payload(self, request):
            return "nonsense"

    signed = s3.sign("PUT", f"/{bucket}/uncovered", b"", auth=Odd)
    answer = send(signed_server.endpoint, "PUT", f"/{bucket}/uncovered", b"anything", signed)
    assert error_of(answer)[:2] == (400, "InvalidArgument"), answer
    assert stored("uncovered") is None


def test_http2_is_signed_over_its_authority(signed_server):
    kinesis = Signer(signed_server.endpoint, "kinesis").sign(body=b"{}", headers=dict(LIST))
    s3 = Signer(signed_server.endpoint, "s3").sign("PUT", f"/{HTTP2_BUCKET}")
    with httpx.Client(http1=False, http2=True) as client:
        for method, path, body, signed in ("POST", "/", b"{}", kinesis), ("PUT", f"/{HTTP2_BUCKET}", b"", s3):
            host = signed.pop("Host")
            answer = client.request(method, f"http://{host}{path}", content=body, headers=signed)
            assert (answer.http_version, answer.status_code) == ("HTTP/2", 200), answer.text
            moved = client.request(method, f"http://localhost:{host.split(':')[1]}{path}", content=body, headers=signed)
            assert moved.status_code == 403 and "does not match" in moved.text, moved.text


def test_unsigned_payloads_are_taken_where_their_head_is_signed(signed, bucket, stored):
    s3 = signed("s3", config=Config(s3={"payload_signing_enabled": False}, request_checksum_calculation="when_required"))
    s3.put_object(Bucket=bucket, Key="unsigned", Body=b"hello")
    assert stored("unsigned") == b"hello"


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("algorithm", ["CRC32", "CRC64NVME", "SHA256"])
def test_streams_as_boto3_sends_them(signed_server, signed, bucket, stored, tls, algorithm):
    """Over http boto3 signs the payload, over https it sends unsigned chunks with a checksum behind them."""
    if algorithm == "CRC64NVME" and not pytest.importorskip("botocore.compat").HAS_CRT:
        pytest.skip("boto3 needs awscrt for CRC64NVME")
    more = https(signed_server) if tls else {}
    s3 = signed("s3", **more)
    body = bytes(range(256)) * 1000
    key = f"stream-{tls}-{algorithm}"
    s3.put_object(Bucket=bucket, Key=key, Body=io.BytesIO(body), ChecksumAlgorithm=algorithm)
    assert stored(key) == body


def https(server):
    """What a client needs to reach the server by TLS. The certificate is made when the first connection comes."""
    certificate = server.data_dir / "tls" / "certificate.pem"
    if not certificate.exists():
        ssl.get_server_certificate(("127.0.0.1", server.port))
    return {"endpoint_url": f"https://localhost:{server.port}", "verify": str(certificate)}


class Chunked:
    """`aws-chunked` bodies with a signature on every chunk, by the specification in S3's API reference."""

    EMPTY = hashlib.sha256(b"").hexdigest()

    def __init__(self, endpoint, path, data, trailer=None, chunk=64 * 1024, declared=None):
        kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")

        class Auth(botocore.auth.S3SigV4Auth):
            def payload(self, request):
                return kind

            def _inject_signature_to_request(self, request, signature):
                self.signature = signature
                return super()._inject_signature_to_request(request, signature)

        headers = {
            "Content-Encoding": "aws-chunked",
            "X-Amz-Decoded-Content-Length": str(len(data) if declared is None else declared),
        }
        if trailer:
            headers["X-Amz-Trailer"] = trailer[0]
        self.headers = Signer(endpoint, "s3").sign("PUT", path, b"", headers, auth=Auth)
        self.previous = re.search("Signature=([0-9a-f]+)", self.headers["Authorization"])[1]
        self.time = self.headers["X-Amz-Date"]
        self.scope = "/".join(re.search("Credential=([^,]+)", self.headers["Authorization"])[1].split("/")[1:])
        pieces = [data[at : at + chunk] for at in range(0, len(data), chunk)] + [b""]
        self.chunks = [self.chunk(piece) for piece in pieces]
        self.tail = b"\r\n"
        if trailer:
            name, value = trailer
            hashed = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
            signature = self.sign("AWS4-HMAC-SHA256-TRAILER", hashed)
            self.tail = f"{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()

    def sign(self, kind, rest):
        key = f"AWS4{SECRET}".encode()
        for part in self.scope.split("/"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        text = "\n".join([kind, self.time, self.scope, self.previous, rest])
        self.previous = hmac.new(key, text.encode(), "sha256").hexdigest()
        return self.previous

    def chunk(self, piece):
        signature = self.sign("AWS4-HMAC-SHA256-PAYLOAD", f"{self.EMPTY}\n{hashlib.sha256(piece).hexdigest()}")
        head = f"{len(piece):x};chunk-signature={signature}\r\n".encode()
        return head + piece + (b"\r\n" if piece else b"")

    @property
    def body(self):
        return b"".join(self.chunks) + self.tail


DATA = bytes(range(256)) * 1000
CRC = ("x-amz-checksum-sha256", base64.b64encode(hashlib.sha256(DATA).digest()).decode())


@pytest.mark.parametrize("trailer", [None, CRC])
def test_signed_chunks_are_checked_one_by_one(signed_server, bucket, stored, trailer):
    def put(key, change=None, **more):
        path = f"/{bucket}/{key}"
        chunked = Chunked(signed_server.endpoint, path, DATA, trailer, **more)
        if change:
            change(chunked)
        return send(signed_server.endpoint, "PUT", path, chunked.body, chunked.headers)

    answer = put("chunks")
    assert answer[0] == 200 and stored("chunks") == DATA, answer

    def flipped(chunked):
        chunked.chunks[1] = chunked.chunks[1][:-3] + b"X\r\n"

    def swapped(chunked):
        chunked.chunks[0], chunked.chunks[1] = chunked.chunks[1], chunked.chunks[0]

    def left_out(chunked):
        del chunked.chunks[1]

    def unsigned(chunked):
        chunked.chunks[1] = re.sub(rb";chunk-signature=[0-9a-f]+", b"", chunked.chunks[1])

    for change in (flipped, swapped, left_out, unsigned):
        answer = put("spoiled", change)
        assert error_of(answer)[:2] == (403, "SignatureDoesNotMatch"), (change, answer)

    def cut(chunked):
        chunked.chunks, chunked.tail = chunked.chunks[:2], b""

    def nonsense(chunked):
        chunked.chunks = [b"zz\r\n"]

    for change in (cut, nonsense):
        answer = put("spoiled", change)
        assert error_of(answer)[0] == 400, (change, answer)
    if trailer:
        def trailer_changed(chunked):
            chunked.tail = chunked.tail.replace(CRC[1].encode(), base64.b64encode(bytes(32)))

        def trailer_added(chunked):
            chunked.tail = chunked.tail.removesuffix(b"\r\n") + b"x-amz-meta-added:1\r\n\r\n"

        for change in (trailer_changed, trailer_added):
            answer = put("spoiled", change)
            assert error_of(answer)[0] in (400, 403), (change, answer)
    for declared in (len(DATA) - 1, len(DATA) + 1):
        answer = put("spoiled", declared=declared)
        assert error_of(answer)[0] == 400, (declared, answer)
    assert stored("spoiled") is None


def test_presigned_urls(signed_server, signed, bucket, stored):
    s3 = signed("s3", config=Config(signature_version="s3v4"))
    put = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "pre signed/ü"}, ExpiresIn=60)
    get = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "pre signed/ü"}, ExpiresIn=60)

    def fetch(url, method="GET", body=None, **headers):
        return send(signed_server.endpoint, method, url.removeprefix(signed_server.endpoint), body, headers)

    assert fetch(put, "PUT", b"hello")[0] == 200
    assert fetch(get)[::2] == (200, b"hello")
    # A URL is good for one method, one object, one place, and for as long as it says.
    for url, method in (
        (get, "PUT"),
        (get, "DELETE"),
        (get.replace("signed/", "other/"), "GET"),
        (get.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), "GET"),
        (get.replace("us-east-1", "eu-west-1"), "GET"),
        (get + "&versionId=x", "GET"),
        (re.sub("X-Amz-Signature=.{4}", "X-Amz-Signature=0000", get), "GET"),
    ):
        answer = fetch(url, method, b"")
        assert error_of(answer)[:2] == (403, "SignatureDoesNotMatch"), (url, answer)
    answer = fetch(put, "PUT", b"hello", **{"X-Amz-Acl": "public-read"})
    assert error_of(answer)[:2] == (403, "AccessDenied"), answer
    with shifted(-100):
        expired = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "pre signed/ü"}, ExpiresIn=60)
    assert error_of(fetch(expired)) == (403, "AccessDenied", "Request has expired")
    with shifted(3600):
        early = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "pre signed/ü"}, ExpiresIn=60)
    assert error_of(fetch(early))[:2] == (403, "AccessDenied")
    for spoiled in (
        get.replace("AWS4-HMAC-SHA256", "AWS4-NONE"),
        re.sub("X-Amz-Date=[^&]*&", "", get),
        re.sub("X-Amz-Expires=[^&]*", "X-Amz-Expires=604801", get),
        re.sub("X-Amz-Expires=[^&]*", "X-Amz-Expires=x", get),
        re.sub("X-Amz-Credential=[^&]*", "X-Amz-Credential=x", get),
    ):
        answer = fetch(spoiled)
        assert error_of(answer)[:2] == (400, "AuthorizationQueryParametersError"), (spoiled, answer)
    unknown = signed("s3", key="AKIDNOBODY", config=Config(signature_version="s3v4"))
    url = unknown.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "pre signed/ü"})
    assert error_of(fetch(url))[:2] == (403, "InvalidAccessKeyId")
    assert stored("pre signed/ü") == b"hello"


def test_a_presigned_identity_proves_who_one_is(signed_server, signed):
    """As Kubernetes' and Vault's logins do it."""
    url = signed("sts", OTHER_KEY, OTHER_SECRET).generate_presigned_url("get_caller_identity", HttpMethod="GET")
    fetch = lambda url: send(signed_server.endpoint, "GET", url.removeprefix(signed_server.endpoint))
    status, _, body = fetch(url)
    assert status == 200 and OTHER_ACCOUNT.encode() in body, body
    assert error_of(fetch(url.replace("GetCallerIdentity", "GetSessionToken")))[:2] == (403, "SignatureDoesNotMatch")


# A server without keys


def test_without_keys_anything_goes_and_twelve_digits_are_an_account(shared_server, client):
    assert client("sts", aws_access_key_id="anything", aws_secret_access_key="x").get_caller_identity()["Account"] == "000000000000"
    assert client("sts", aws_access_key_id=OTHER_ACCOUNT).get_caller_identity()["Account"] == OTHER_ACCOUNT
    for headers in (
        {},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "AWS4-HMAC-SHA256 nonsense"},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=k/20000101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0"},
        {"X-Amz-Date": "yesterday", "X-Amz-Content-SHA256": "nonsense"},
    ):
        status, _, answer = json_call(shared_server.endpoint, "Kinesis_20131202.ListStreams", {}, **headers)
        assert status == 200, (headers, answer)
    status, _, _ = send(shared_server.endpoint, "GET", "/", headers={"Authorization": "AWS key:c2lnbmF0dXJl"})
    assert status == 200, "a version 2 signature is S3's"
    with shifted(100_000):
        assert client("kinesis").list_streams()


# awsJson


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_json_errors(endpoint, version):
    def check(target, body, code, message, status=400):
        found, headers, answer = json_call(endpoint, target, body, version)
        assert (found, answer) == (status, {"__type": code, **({"message": message} if message else {})}), answer
        assert headers["Content-Type"] == f"application/x-amz-json-{version}"
        assert re.fullmatch("[0-9a-f-]{36}", headers["x-amzn-RequestId"])

    put = "Kinesis_20131202.PutRecord"
    for body in ("{", "nonsense", '"text"', "5", "null", '{"StreamName": "a"', b"\xff\xfe", "{} {}"):
        check(put, body, "SerializationException", None)
    check(put, "[]", "SerializationException", "Start of list found where not expected")
    check(put, {"StreamName": 5}, "SerializationException", "NUMBER_VALUE can not be converted to a String")
    check(put, {"StreamName": True}, "SerializationException", "TRUE_VALUE can not be converted to a String")
    check(put, {"StreamName": {}}, "SerializationException", "Start of structure or map found where not expected")
    check(put, {"StreamName": ["a"]}, "SerializationException", "Start of list found where not expected")
    create = "Kinesis_20131202.CreateStream"
    check(create, {"StreamName": "a", "ShardCount": "1"}, "SerializationException", "STRING_VALUE can not be converted to an Integer")
    check(create, {"StreamName": "a", "ShardCount": 1.5}, "SerializationException", "NUMBER_VALUE can not be converted to an Integer")
    check(create, {"StreamName": "a", "ShardCount": 1 << 40}, "SerializationException", "NUMBER_VALUE can not be converted to an Integer")
    one = "1 validation error detected: Value null at 'streamName' failed to satisfy constraint: Member must not be null"
    check(create, {"ShardCount": 1}, "ValidationException", one)
    check(create, "", "ValidationException", one)
    several = (
        "3 validation errors detected: Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: [a-zA-Z0-9_.-]+; Value '' at 'shardId' failed to satisfy constraint: Member must "
        "have length greater than or equal to 1; Value '' at 'shardId' failed to satisfy constraint: Member must "
        "satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value 'X' at 'shardIteratorType' failed to satisfy "
        "constraint: Member must satisfy enum value set: [AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER, TRIM_HORIZON, "
        "LATEST, AT_TIMESTAMP]"
    ).replace("3 validation", "4 validation")
    iterator = {"StreamName": "a b", "ShardId": "", "ShardIteratorType": "X"}
    check("Kinesis_20131202.GetShardIterator", iterator, "ValidationException", several)
    check("Kinesis_20131202.Nope", {}, "UnknownOperationException", None)


def test_services_and_targets_that_are_unknown(endpoint):
    for target in ("AmazonSQS.SendMessage", "nonsense", "", "Kinesis_20131202"):
        status, _, answer = json_call(endpoint, target, {})
        assert status in (400, 501), (target, answer)
        assert answer["__type"] in ("UnknownServiceException", "UnknownOperationException"), (target, answer)
    status, _, answer = json_call(endpoint, "AmazonSQS.SendMessage", {})
    assert (status, answer["__type"]) == (501, "UnknownServiceException") and "AmazonSQS" in answer["message"]


def test_boto3_sees_an_unknown_service(client):
    with refused("UnknownServiceException", 501, "sns"):
        client("sns").list_topics()
    with refused("UnknownServiceException", 501, "AmazonSQS"):
        client("sqs").list_queues()
    with refused("UnknownServiceException", 501, "apigateway"):
        client("apigateway").get_rest_apis()


def test_compressed_and_deep_bodies_do_no_harm(endpoint):
    deep = b'{"StreamName": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    status, _, answer = json_call(endpoint, "Kinesis_20131202.PutRecord", deep)
    assert (status, answer["__type"]) == (400, "SerializationException")
    squeezed = gzip.compress(b"{}")
    status, _, answer = json_call(endpoint, "Kinesis_20131202.ListStreams", squeezed, **{"Content-Encoding": "gzip"})
    assert status in (200, 400), answer
    nested = b"\x81" * 100_000 + b"\x80"
    headers = {"X-Amz-Target": "Kinesis_20131202.PutRecord", "Content-Type": "application/x-amz-cbor-1.1"}
    status, _, body = send(endpoint, body=nested, headers=headers)
    assert status == 400 and cbor2.loads(body)["__type"] == "SerializationException"


# CBOR


def cbor_call(endpoint, target, value):
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-cbor-1.1"}
    body = value if isinstance(value, bytes) else cbor2.dumps(value)
    status, headers, body = send(endpoint, body=body, headers=headers)
    assert headers["Content-Type"] == "application/x-amz-cbor-1.1"
    return status, cbor2.loads(body) if body else {}


def test_kinesis_speaks_cbor_as_the_java_sdk_and_the_agents_do(endpoint, client):
    call = lambda operation, value: cbor_call(endpoint, f"Kinesis_20131202.{operation}", value)
    assert call("CreateStream", {"StreamName": "cbor", "ShardCount": 1})[0] == 200
    client("kinesis").get_waiter("stream_exists").wait(StreamName="cbor", WaiterConfig={"Delay": 1})
    status, put = call("PutRecord", {"StreamName": "cbor", "PartitionKey": "k", "Data": b"\x00\xff raw"})
    assert status == 200 and put["ShardId"] == "shardId-000000000000"
    before = cbor2.CBORTag(1, 1_000)
    iterator = {"StreamName": "cbor", "ShardId": "shardId-000000000000", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": before}
    status, at = call("GetShardIterator", iterator)
    assert status == 200, at
    headers = {"X-Amz-Target": "Kinesis_20131202.GetRecords", "Content-Type": "application/x-amz-cbor-1.1"}
    _, _, body = send(endpoint, body=cbor2.dumps({"ShardIterator": at["ShardIterator"]}), headers=headers)
    # Times are whole milliseconds under the epoch tag, which decoders of the standard take for seconds.
    (record,) = raw_tags(body)["Records"]
    assert record["Data"] == b"\x00\xff raw" and record["SequenceNumber"] == put["SequenceNumber"]
    now_ms = datetime.datetime.now().timestamp() * 1000
    assert isinstance(record["ApproximateArrivalTimestamp"], int)
    assert abs(record["ApproximateArrivalTimestamp"] - now_ms) < 60_000


def raw_tags(body):
    """Decodes with times left as numbers: tag 1 made an unknown one."""
    value = cbor2.loads(body.replace(b"\xc1\x1b", b"\xd9\xff\x01\x1b"))
    plain = lambda v: v.value if isinstance(v, cbor2.CBORTag) else v
    value["Records"] = [{k: plain(v) for k, v in record.items()} for record in value["Records"]]
    return value


def test_cbor_errors(endpoint):
    put = "Kinesis_20131202.PutRecord"
    for body in (b"\xff", b"\x01", b"\xbf", b"\xa1\x01\x02", b"{}", b"\xa0\xa0", cbor2.dumps([])):
        status, answer = cbor_call(endpoint, put, body)
        assert (status, answer["__type"]) == (400, "SerializationException"), (body, answer)
    status, answer = cbor_call(endpoint, put, {"StreamName": 5})
    assert (status, answer["__type"]) == (400, "SerializationException")
    status, answer = cbor_call(endpoint, put, {"StreamName": "a", "PartitionKey": "k"})
    assert (status, answer["__type"]) == (400, "ValidationException")
    assert answer["message"].startswith("1 validation error detected: Value null at 'data'")
    status, answer = cbor_call(endpoint, "Kinesis_20131202.DescribeStreamSummary", {"StreamName": "nobody"})
    assert (status, answer["__type"]) == (400, "ResourceNotFoundException") and "nobody" in answer["message"]
    status, answer = cbor_call(endpoint, "Kinesis_20131202.Nope", {})
    assert (status, answer["__type"]) == (400, "UnknownOperationException")


def test_smithys_rpc_protocol_answers_in_its_own_form(endpoint, client):
    path = "/service/GraniteServiceVersion20100801/operation/"
    headers = {"Content-Type": "application/cbor", "Smithy-Protocol": "rpc-v2-cbor", "Accept": "application/cbor"}
    status, answer_headers, body = send(endpoint, path=path + "ListMetrics", body=cbor2.dumps({}), headers=headers)
    answer = cbor2.loads(body)
    assert status == 501 and answer_headers["Content-Type"] == "application/cbor"
    assert answer_headers["smithy-protocol"] == "rpc-v2-cbor"
    assert answer["__type"].endswith("NotImplemented") and "cloudwatch:ListMetrics" in answer["message"]
    status, _, body = send(endpoint, path=path + "Nope", body=cbor2.dumps({}), headers=headers)
    assert status == 400 and cbor2.loads(body)["__type"].endswith("UnknownOperationException")
    status, _, body = send(endpoint, path="/service/Nobody/operation/Nope", body=cbor2.dumps({}), headers=headers)
    assert status == 501, body
    with refused("NotImplemented", 501, "cloudwatch:PutMetricData"):
        client("cloudwatch").put_metric_data(Namespace="a", MetricData=[])


# Query


def test_query_errors(endpoint, client):
    def check(body, status, code, text="", path="/"):
        answer = send(endpoint, path=path, body=body, headers=FORM)
        found = error_of(answer)
        assert found[:2] == (status, code) and text in found[2], answer
        assert answer[1]["Content-Type"] == "text/xml" and b"<RequestId>" in answer[2]

    check(b"Action=Nope&Version=2011-06-15", 400, "InvalidAction")
    check(b"", 400, "InvalidAction")
    check(b"Version=2011-06-15", 400, "InvalidAction")
    check(b"Action=AssumeRole&Version=2011-06-15", 501, "NotImplemented", "sts:AssumeRole")
    check(b"Action=ListUsers&Version=2010-05-08", 501, "NotImplemented", "iam:ListUsers")
    status, _, body = send(endpoint, "GET", "/?Action=GetCallerIdentity&Version=2011-06-15")
    assert status == 200 and b"<GetCallerIdentityResult>" in body
    with refused("NotImplemented", 501, "iam:ListUsers"):
        client("iam").list_users()
    status, headers, body = send(endpoint, body=IDENTITY, headers=FORM)
    assert status == 200 and headers["Content-Type"] == "text/xml" and b"<Account>000000000000</Account>" in body


# REST


@pytest.mark.parametrize(
    "service, call, arguments, operation",
    [
        ("lambda", "list_functions", {}, "lambda:ListFunctions"),
        ("lambda", "get_function", {"FunctionName": "f:1/ü"}, "lambda:GetFunction"),
        ("lambda", "invoke", {"FunctionName": "f", "Payload": b"\xff"}, "lambda:Invoke"),
        ("batch", "describe_jobs", {"jobs": ["1"]}, "batch:DescribeJobs"),
        ("kafka", "list_clusters_v2", {"MaxResults": 5}, "kafka:ListClustersV2"),
        ("kafka", "describe_cluster", {"ClusterArn": "arn:aws:kafka:us-east-1:1:cluster/a/b"}, "kafka:DescribeCluster"),
        ("emr-serverless", "list_applications", {}, "emr-serverless:ListApplications"),
        ("quicksight", "list_users", {"AwsAccountId": "000000000000", "Namespace": "default"}, "quicksight:ListUsers"),
    ],
)
def test_rest_operations_that_are_not_built_are_named(client, service, call, arguments, operation):
    with refused("NotImplemented", 501, operation) as error:
        getattr(client(service), call)(**arguments)
    assert error.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"] == "NotImplemented"


def test_rest_paths_that_nobody_has(endpoint):
    scope = "Credential=k/20000101/us-east-1/lambda/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
    for method, path in (("GET", "/no/such/path"), ("PATCH", "/2015-03-31/functions"), ("GET", "/")):
        status, answer_headers, body = send(endpoint, method, path, headers=headers)
        assert status == 404 and answer_headers["x-amzn-errortype"] == "UnknownOperationException", body


@pytest.mark.parametrize("service", sorted(INDEX))
def test_every_model_routes(client, service):
    """Operations of each service, sent as boto3 sends them, come to it: they work, are refused by it or are named."""
    target = client(service, config=UNCHECKED.merge(PATH_STYLE))
    model = target.meta.service_model
    reads = [name for name in model.operation_names if name.startswith(("List", "Describe", "Get"))]
    picked = (reads or list(model.operation_names))[:6]
    method_of = {operation: method for method, operation in target.meta.method_to_api_mapping.items()}
    for operation in picked:
        shape = model.operation_model(operation).input_shape
        in_uri = {
            name: "x"
            for name, member in (shape.members if shape else {}).items()
            if member.serialization.get("location") == "uri"
        }
        try:
            getattr(target, method_of[operation])(**in_uri)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            answer = error.response["Error"]
            if status == 501:
                assert answer["Code"] == "NotImplemented", (operation, error.response)
                # S3's paths are its library's to name; all others say which operation it was.
                assert service == "s3" or f"{service}:{operation}" in answer["Message"], error.response
            else:
                assert 400 <= status < 500, (operation, error.response)
                assert answer["Code"] not in ("UnknownOperationException", "UnknownServiceException"), error.response
