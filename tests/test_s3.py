"""S3 through boto3, the AWS CLI, PyArrow and DuckDB."""

import base64
import concurrent.futures
import contextlib
import datetime
import hashlib
import http.client
import io
import os
import pathlib
import urllib.error
import urllib.request
import uuid
import zlib

import boto3.s3.transfer
import botocore.config
import botocore.exceptions
import duckdb
import duckdb_extension_httpfs
import pyarrow
import pyarrow.parquet
import pytest

MIB = 1 << 20
PART = 5 * MIB


@pytest.fixture
def bucket(s3):
    name = f"test-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


def refused(code, status, call, **arguments):
    """The call must fail with this error; returns its message."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), response
    return response["Error"].get("Message", "")


def keys(page):
    return [entry["Key"] for entry in page.get("Contents", [])]


def prefixes(page):
    return [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]


def test_buckets(s3, client):
    name = f"test-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    # In us-east-1 this succeeds again; elsewhere it does not.
    s3.create_bucket(Bucket=name)
    assert name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.list_buckets(Prefix=name)["Buckets"][0]["BucketRegion"] == "us-east-1"
    assert s3.head_bucket(Bucket=name)["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    other = client("s3", aws_access_key_id="111122223333")
    refused("BucketAlreadyExists", 409, other.create_bucket, Bucket=name)
    refused("AccessDenied", 403, other.list_objects_v2, Bucket=name)
    assert name not in [bucket["Name"] for bucket in other.list_buckets()["Buckets"]]
    s3.put_object(Bucket=name, Key="k")
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=name)
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    refused("404", 404, s3.head_bucket, Bucket=name)
    refused("NoSuchBucket", 404, s3.delete_bucket, Bucket=name)
    refused("NoSuchBucket", 404, s3.list_objects_v2, Bucket=name)
    refused("NoSuchBucket", 404, s3.put_object, Bucket=name, Key="k")

    europe = client("s3", region_name="eu-west-1")
    name = f"test-{uuid.uuid4().hex}"
    europe.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert europe.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-west-1"
    refused(
        "BucketAlreadyOwnedByYou",
        409,
        europe.create_bucket,
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
    )
    for invalid in ["Upper-Case", "under_score", "two..dots", "192.168.0.1", "-dash"]:
        refused("InvalidBucketName", 400, s3.create_bucket, Bucket=invalid)


def test_an_object_comes_back_as_it_went_in(s3, bucket):
    expires = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    put = s3.put_object(
        Bucket=bucket,
        Key="flights/a b+c%/ü.csv",
        Body=b"year,month\n",
        ContentType="text/csv",
        CacheControl="max-age=1",
        ContentDisposition="attachment",
        ContentLanguage="en",
        ContentEncoding="identity",
        Expires=expires,
        Metadata={"Origin": "EWR"},
        Tagging="kind=raw%20data&empty=",
        StorageClass="STANDARD_IA",
    )
    digest = hashlib.md5(b"year,month\n").hexdigest()
    assert put["ETag"] == f'"{digest}"'
    got = s3.get_object(Bucket=bucket, Key="flights/a b+c%/ü.csv")
    assert got["Body"].read() == b"year,month\n"
    for answer in [got, s3.head_object(Bucket=bucket, Key="flights/a b+c%/ü.csv")]:
        assert answer["ETag"] == put["ETag"]
        assert answer["ContentLength"] == 11
        assert answer["ContentType"] == "text/csv"
        assert answer["CacheControl"] == "max-age=1"
        assert answer["ContentDisposition"] == "attachment"
        assert answer["ContentLanguage"] == "en"
        assert answer["ContentEncoding"] == "identity"
        assert answer["ExpiresString"] == "Wed, 02 Jan 2030 03:04:05 GMT"
        assert answer["Metadata"] == {"origin": "EWR"}
        assert answer["StorageClass"] == "STANDARD_IA"
        assert answer["AcceptRanges"] == "bytes"
        age = datetime.datetime.now(datetime.timezone.utc) - answer["LastModified"]
        assert abs(age.total_seconds()) < 60
    assert got["TagCount"] == 2
    tags = s3.get_object_tagging(Bucket=bucket, Key="flights/a b+c%/ü.csv")["TagSet"]
    assert tags == [{"Key": "empty", "Value": ""}, {"Key": "kind", "Value": "raw data"}]
    s3.put_object(Bucket=bucket, Key="plain", Body=b"")
    assert s3.get_object(Bucket=bucket, Key="plain")["ContentType"] == "binary/octet-stream"
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="missing")
    refused("404", 404, s3.head_object, Bucket=bucket, Key="missing")
    s3.delete_object(Bucket=bucket, Key="missing")
    s3.delete_object(Bucket=bucket, Key="plain")
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="plain")


def test_odd_keys(s3, bucket):
    odd = ["a", "a/b", "a/", "a//b", "A", "x/../y", "~", "100%", "%41", "é", "日本", "a b", "a+b", "x" * 1024, "q?a=b&c#d"]
    for key in odd:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert keys(s3.list_objects_v2(Bucket=bucket)) == sorted(odd, key=str.encode)
    for key in odd:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    refused("KeyTooLongError", 400, s3.put_object, Bucket=bucket, Key="x" * 1025)
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in odd]})
    assert sorted(entry["Key"] for entry in deleted["Deleted"]) == sorted(odd)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []


def test_ranges(s3, bucket):
    content = bytes(range(256)) * 1000
    s3.put_object(Bucket=bucket, Key="k", Body=content)

    def read(byte_range):
        got = s3.get_object(Bucket=bucket, Key="k", Range=byte_range)
        return got["ResponseMetadata"]["HTTPStatusCode"], got.get("ContentRange"), got["Body"].read()

    assert read("bytes=0-0") == (206, "bytes 0-0/256000", content[:1])
    assert read("bytes=10-99") == (206, "bytes 10-99/256000", content[10:100])
    assert read("bytes=255990-") == (206, "bytes 255990-255999/256000", content[-10:])
    assert read("bytes=-5") == (206, "bytes 255995-255999/256000", content[-5:])
    assert read("bytes=255990-999999") == (206, "bytes 255990-255999/256000", content[-10:])
    assert read("nonsense") == (200, None, content)
    refused("InvalidRange", 416, s3.get_object, Bucket=bucket, Key="k", Range="bytes=256000-")
    head = s3.head_object(Bucket=bucket, Key="k", Range="bytes=0-9")
    assert head["ContentLength"] == 10


def test_conditional_requests(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    refused("PreconditionFailed", 412, s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    refused("NoSuchKey", 404, s3.put_object, Bucket=bucket, Key="other", IfMatch=first)
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=first)["ETag"]
    refused("PreconditionFailed", 412, s3.put_object, Bucket=bucket, Key="k", Body=b"3", IfMatch=first)
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=second)["Body"].read() == b"2"
    refused("PreconditionFailed", 412, s3.get_object, Bucket=bucket, Key="k", IfMatch=first)
    refused("304", 304, s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=second)
    refused("304", 304, s3.head_object, Bucket=bucket, Key="k", IfNoneMatch=second)
    refused("412", 412, s3.head_object, Bucket=bucket, Key="k", IfMatch=first)
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    hour = datetime.timedelta(hours=1)
    refused("304", 304, s3.get_object, Bucket=bucket, Key="k", IfModifiedSince=modified)
    assert s3.get_object(Bucket=bucket, Key="k", IfModifiedSince=modified - hour)["Body"].read() == b"2"
    assert s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=modified)["Body"].read() == b"2"
    refused("PreconditionFailed", 412, s3.get_object, Bucket=bucket, Key="k", IfUnmodifiedSince=modified - hour)
    # The ETag condition outweighs the date condition beside it.
    s3.get_object(Bucket=bucket, Key="k", IfMatch=second, IfUnmodifiedSince=modified - hour)
    refused("PreconditionFailed", 412, s3.delete_object, Bucket=bucket, Key="k", IfMatch=first)
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=second)


def test_one_of_many_writers_wins(s3, bucket):
    def attempt(n):
        try:
            s3.put_object(Bucket=bucket, Key="lock", Body=str(n).encode(), IfNoneMatch="*")
            return n
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        winners = [n for n in pool.map(attempt, range(24)) if n is not None]
    assert len(winners) == 1
    assert s3.get_object(Bucket=bucket, Key="lock")["Body"].read() == str(winners[0]).encode()


def test_listing(s3, bucket):
    names = [f"{letter}/{n}" for letter in "abc" for n in range(4)] + ["b", "d", "b/x/y"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name)
    names.sort()
    page = s3.list_objects_v2(Bucket=bucket)
    assert keys(page) == names and page["KeyCount"] == len(names) and not page["IsTruncated"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [key for page in pages for key in keys(page)] == names
    pages = s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [key for page in pages for key in keys(page)] == names
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert keys(page) == ["b", "d"] and prefixes(page) == ["a/", "b/", "c/"]
    for operation in ["list_objects_v2", "list_objects"]:
        pages = s3.get_paginator(operation).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1})
        entries = [entry for page in pages for entry in keys(page) + prefixes(page)]
        assert entries == ["a/", "b", "b/", "c/", "d"]
    page = s3.list_objects_v2(Bucket=bucket, Prefix="b/", Delimiter="/")
    assert keys(page) == ["b/0", "b/1", "b/2", "b/3"] and prefixes(page) == ["b/x/"]
    assert keys(s3.list_objects_v2(Bucket=bucket, StartAfter="c/1")) == ["c/2", "c/3", "d"]
    assert keys(s3.list_objects_v2(Bucket=bucket, MaxKeys=0)) == []
    owner = s3.list_objects_v2(Bucket=bucket, MaxKeys=1, FetchOwner=True)["Contents"][0]["Owner"]
    assert owner["ID"] == "000000000000"
    refused("InvalidArgument", 400, s3.list_objects_v2, Bucket=bucket, ContinuationToken="!")
    s3.put_object(Bucket=bucket, Key="odd/\u0001 +%")
    assert keys(s3.list_objects_v2(Bucket=bucket, Prefix="odd/")) == ["odd/\u0001 +%"]


def test_copies(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from/ü +", Body=b"content", Metadata={"a": "1"}, ContentType="x/y", Tagging="t=1")
    source = {"Bucket": bucket, "Key": "from/ü +"}
    etag = s3.head_object(**source)["ETag"]
    copied = s3.copy_object(Bucket=bucket, Key="to", CopySource=source)["CopyObjectResult"]
    assert copied["ETag"] == etag
    head = s3.head_object(Bucket=bucket, Key="to")
    assert (head["Metadata"], head["ContentType"]) == ({"a": "1"}, "x/y")
    assert s3.get_object_tagging(Bucket=bucket, Key="to")["TagSet"] == [{"Key": "t", "Value": "1"}]
    s3.copy_object(
        Bucket=bucket,
        Key="to",
        CopySource=source,
        MetadataDirective="REPLACE",
        Metadata={"b": "2"},
        TaggingDirective="REPLACE",
        Tagging="u=2",
    )
    head = s3.head_object(Bucket=bucket, Key="to")
    assert (head["Metadata"], head["ContentType"]) == ({"b": "2"}, "binary/octet-stream")
    assert s3.get_object_tagging(Bucket=bucket, Key="to")["TagSet"] == [{"Key": "u", "Value": "2"}]
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == b"content"
    copy = lambda **more: s3.copy_object(Bucket=bucket, Key="to", CopySource=source, **more)
    copy(CopySourceIfMatch=etag)
    refused("PreconditionFailed", 412, copy, CopySourceIfNoneMatch=etag)
    refused("PreconditionFailed", 412, copy, CopySourceIfMatch='"0"')
    refused("InvalidRequest", 400, s3.copy_object, Bucket=bucket, Key=source["Key"], CopySource=source)
    missing = {"Bucket": bucket, "Key": "missing"}
    refused("NoSuchKey", 404, s3.copy_object, Bucket=bucket, Key="to", CopySource=missing)


def test_checksums(s3, client, bucket):
    crc = base64.b64encode(zlib.crc32(b"content").to_bytes(4, "big")).decode()
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"content")
    # What current SDKs send by themselves.
    assert put["ChecksumCRC32"] == crc and put["ChecksumType"] == "FULL_OBJECT"
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["ChecksumCRC32"] == crc and got["Body"].read() == b"content"
    digest = base64.b64encode(hashlib.sha256(b"content").digest()).decode()
    put = s3.put_object(Bucket=bucket, Key="sha", Body=b"content", ChecksumAlgorithm="SHA256")
    assert put["ChecksumSHA256"] == digest
    put = s3.put_object(Bucket=bucket, Key="sha", Body=b"content", ChecksumSHA256=digest)
    assert put["ChecksumSHA256"] == digest
    wrong = base64.b64encode(bytes(32)).decode()
    refused("BadDigest", 400, s3.put_object, Bucket=bucket, Key="sha", Body=b"other", ChecksumSHA256=wrong)
    refused("BadDigest", 400, s3.put_object, Bucket=bucket, Key="sha", Body=b"other", ContentMD5=base64.b64encode(bytes(16)).decode())
    refused("InvalidDigest", 400, s3.put_object, Bucket=bucket, Key="sha", Body=b"other", ContentMD5="x")
    assert s3.get_object(Bucket=bucket, Key="sha")["Body"].read() == b"content", "nothing was stored"
    # Without the SDK's checksum the store computes one.
    plain = client("s3", config=botocore.config.Config(request_checksum_calculation="when_required"))
    assert plain.put_object(Bucket=bucket, Key="plain", Body=b"123456789")["ChecksumCRC64NVME"] == "rosUhgp5mIg="
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"]
    )
    assert attributes["Checksum"]["ChecksumCRC32"] == crc
    assert (attributes["ObjectSize"], attributes["StorageClass"]) == (7, "STANDARD")
    assert attributes["ETag"] == hashlib.md5(b"content").hexdigest()


def test_streamed_bodies_carry_their_checksum_behind_them(s3, bucket, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3 * MIB))
    with open(path, "rb") as body:
        put = s3.put_object(Bucket=bucket, Key="k", Body=body)
    assert put["ChecksumCRC32"] == base64.b64encode(zlib.crc32(path.read_bytes()).to_bytes(4, "big")).decode()
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == path.read_bytes()


def test_multipart(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big", Metadata={"a": "1"}, ContentType="x/y")["UploadId"]
    at = {"Bucket": bucket, "Key": "big", "UploadId": upload}
    contents = [os.urandom(PART), os.urandom(PART), b"end"]
    parts = []
    for number, content in enumerate(contents, 1):
        part = s3.upload_part(PartNumber=number, Body=content, **at)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    assert [part["Size"] for part in s3.list_parts(**at)["Parts"]] == [PART, PART, 3]
    page = s3.list_parts(MaxParts=1, **at)
    assert page["IsTruncated"] and page["NextPartNumberMarker"] == 1
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    complete = lambda parts, **more: s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **at, **more)
    refused("InvalidPartOrder", 400, complete, parts=[parts[1], parts[0]])
    refused("InvalidPart", 400, complete, parts=[{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}])
    refused("InvalidPart", 400, complete, parts=parts + [{"PartNumber": 9, "ETag": parts[0]["ETag"]}])
    refused("MalformedXML", 400, complete, parts=[])
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="big")
    done = complete(parts, IfNoneMatch="*")
    digests = b"".join(hashlib.md5(content).digest() for content in contents)
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    got = s3.get_object(Bucket=bucket, Key="big")
    assert got["Body"].read() == b"".join(contents)
    assert (got["Metadata"], got["ContentType"]) == ({"a": "1"}, "x/y")
    second = s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    assert (second["PartsCount"], second["Body"].read()) == (3, contents[1])
    attributes = s3.get_object_attributes(Bucket=bucket, Key="big", ObjectAttributes=["ObjectParts"])
    assert attributes["ObjectParts"]["TotalPartsCount"] == 3
    assert complete(parts=parts)["ETag"] == done["ETag"], "a repeated call gets the same answer"
    refused("NoSuchUpload", 404, complete, parts=parts[:1])
    refused("NoSuchUpload", 404, s3.upload_part, PartNumber=1, Body=b"", **at)

    upload = s3.create_multipart_upload(Bucket=bucket, Key="small")["UploadId"]
    at = {"Bucket": bucket, "Key": "small", "UploadId": upload}
    parts = [{"PartNumber": n, "ETag": s3.upload_part(PartNumber=n, Body=b"x", **at)["ETag"]} for n in (1, 2)]
    refused("EntityTooSmall", 400, s3.complete_multipart_upload, MultipartUpload={"Parts": parts}, **at)
    refused("InvalidArgument", 400, s3.upload_part, PartNumber=10001, Body=b"", **at)
    s3.abort_multipart_upload(**at)
    refused("NoSuchUpload", 404, s3.abort_multipart_upload, **at)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize("algorithm,kind", [("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT"), ("SHA256", "COMPOSITE")])
def test_multipart_checksums(s3, bucket, algorithm, kind):
    created = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)
    at = {"Bucket": bucket, "Key": "k", "UploadId": created["UploadId"]}
    field = f"Checksum{algorithm}"
    contents = [os.urandom(PART), b"end"]
    parts = []
    for number, content in enumerate(contents, 1):
        part = s3.upload_part(PartNumber=number, Body=content, ChecksumAlgorithm=algorithm, **at)
        parts.append({"PartNumber": number, "ETag": part["ETag"], field: part[field]})
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **at)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["ChecksumType"] == kind
    assert got["Body"].read() == b"".join(contents)
    if kind == "COMPOSITE":
        assert got[field].endswith("-2")
    else:
        whole = s3.put_object(Bucket=bucket, Key="whole", Body=b"".join(contents), ChecksumAlgorithm=algorithm)
        assert got[field] == whole[field]


def test_upload_part_copy_and_the_transfer_manager(s3, bucket, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(12 * MIB + 7))
    s3.upload_file(str(path), bucket, "big", Config=boto3.s3.transfer.TransferConfig(multipart_threshold=PART, multipart_chunksize=PART))
    assert s3.head_object(Bucket=bucket, Key="big")["ETag"].endswith('-3"')
    s3.download_file(bucket, "big", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == path.read_bytes()
    config = boto3.s3.transfer.TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copy", Config=config)
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == path.read_bytes()
    single = s3.copy_object(Bucket=bucket, Key="single", CopySource={"Bucket": bucket, "Key": "big"})
    assert single["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(path.read_bytes()).hexdigest()}"'


def test_tagging(s3, bucket):
    refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)
    tags = [{"Key": "team", "Value": "data"}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    twice = {"TagSet": tags * 2}
    refused("InvalidTag", 400, s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=twice)
    many = {"TagSet": [{"Key": str(n), "Value": ""} for n in range(11)]}
    refused("BadRequest", 400, s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=many)
    refused("NoSuchKey", 404, s3.get_object_tagging, Bucket=bucket, Key="missing")


def test_copies_have_conditions_on_what_they_replace(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="from", Body=b"new")["ETag"]
    old = s3.put_object(Bucket=bucket, Key="to", Body=b"old")["ETag"]
    copy = lambda **condition: s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/from", **condition)
    refused("PreconditionFailed", 412, copy, IfNoneMatch="*")
    refused("PreconditionFailed", 412, copy, IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == b"old"
    copy(IfMatch=old)
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == b"new"
    s3.copy_object(Bucket=bucket, Key="fresh", CopySource=f"{bucket}/from", IfNoneMatch="*")


@pytest.mark.parametrize(
    "asked, code, status",
    [
        ({"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": datetime.datetime(2099, 1, 1)}, "InvalidRequest", 400),
        ({"ObjectLockLegalHoldStatus": "ON"}, "InvalidRequest", 400),
        ({"ACL": "public-read"}, "AccessControlListNotSupported", 400),
        ({"GrantRead": "uri=http://acs.amazonaws.com/groups/global/AllUsers"}, "AccessControlListNotSupported", 400),
        ({"ServerSideEncryption": "aws:kms"}, "NotImplemented", 501),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k"}, "NotImplemented", 501),
    ],
)
def test_what_is_not_built_is_refused(s3, bucket, asked, code, status):
    s3.put_object(Bucket=bucket, Key="from", Body=b"x")
    refused(code, status, s3.put_object, Bucket=bucket, Key="k", Body=b"x", **asked)
    refused(code, status, s3.create_multipart_upload, Bucket=bucket, Key="k", **asked)
    refused(code, status, s3.copy_object, Bucket=bucket, Key="k", CopySource=f"{bucket}/from", **asked)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["from"]


def test_what_every_bucket_does_anyway_may_be_asked_for(s3, bucket):
    for asked in {"ACL": "private"}, {"ACL": "bucket-owner-full-control"}, {"ServerSideEncryption": "AES256"}:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", **asked)
    new = lambda **asked: s3.create_bucket(Bucket=f"test-{uuid.uuid4().hex}", **asked)
    new(ACL="private", ObjectOwnership="BucketOwnerEnforced", ObjectLockEnabledForBucket=False)
    refused("NotImplemented", 501, new, ObjectLockEnabledForBucket=True)
    refused("NotImplemented", 501, new, ObjectOwnership="ObjectWriter")
    refused("InvalidBucketAclWithObjectOwnership", 400, new, ACL="public-read")


def test_forms_are_refused_before_they_are_read(shared_server, bucket):
    connection = http.client.HTTPConnection("127.0.0.1", shared_server.port, timeout=30)
    with contextlib.closing(connection):
        connection.putrequest("POST", f"/{bucket}")
        connection.putheader("Content-Type", "multipart/form-data; boundary=b")
        connection.putheader("Content-Length", str(4 << 30))
        connection.endheaders()
        connection.send(b"--b\r\n" + bytes(300_000))
        answer = connection.getresponse()
        assert answer.status == 501 and b"<Code>NotImplemented</Code>" in answer.read()


def test_digests_of_documents_are_checked(shared_server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    right = {
        "Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode(),
        "x-amz-checksum-crc32": base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode(),
    }

    def delete(headers, body=body):
        headers = {"Content-Type": "application/xml", **headers}
        request = urllib.request.Request(f"{shared_server.endpoint}/{bucket}?delete", body, headers, method="POST")
        try:
            return urllib.request.urlopen(request).status, b""
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    for name, value in right.items():
        status, answer = delete({name: value}, body.replace(b"k", b"K"))
        assert status == 400 and b"<Code>BadDigest</Code>" in answer, answer
        assert keys(s3.list_objects_v2(Bucket=bucket)) == ["k"]
    assert delete({"Content-MD5": "nonsense"})[0] == 400
    assert delete(right)[0] == 200
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []


def test_a_repeated_completion_gets_the_same_answer(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x" * PART)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    complete = lambda **more: s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts, **more)
    refused("InvalidPart", 400, s3.complete_multipart_upload, Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 2, "ETag": part["ETag"]}]})
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = [call.result() for call in [pool.submit(complete) for _ in range(4)]]
    assert len({answer["ETag"] for answer in answers + [complete()]}) == 1
    s3.put_object(Bucket=bucket, Key="k", Body=b"other")
    refused("NoSuchUpload", 404, complete)


def test_cors_configuration(s3, bucket):
    refused("NoSuchCORSConfiguration", 404, s3.get_bucket_cors, Bucket=bucket)
    rules = [{"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["https://*.example.com"], "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60, "ID": "one"}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == rules
    bad = [{"AllowedMethods": ["PATCH"], "AllowedOrigins": ["*"]}]
    refused("InvalidRequest", 400, s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": bad})
    bad = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": ["a*b*"]}]
    refused("InvalidRequest", 400, s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": bad})
    s3.delete_bucket_cors(Bucket=bucket)
    refused("NoSuchCORSConfiguration", 404, s3.get_bucket_cors, Bucket=bucket)


def test_pages_call_as_the_buckets_rules_let_them(shared_server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")

    def call(method, origin, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", shared_server.port, timeout=30)
        with contextlib.closing(connection):
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, f"/{bucket}/k", headers={"Origin": origin, **headers})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    ask = {"Access_Control_Request_Method": "PUT", "Access_Control_Request_Headers": "X-Amz-Date,content-type"}
    foreign, here = "https://app.example.com", "http://localhost:3000"
    assert call("OPTIONS", foreign, **ask)[0] == 403 and call("GET", foreign)[0] == 403
    assert call("OPTIONS", here, **ask)[0] == 204 and call("GET", here)[2] == b"data"
    rules = [
        {"AllowedMethods": ["PUT", "GET"], "AllowedOrigins": ["https://*.example.com"], "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60},
        {"AllowedMethods": ["HEAD"], "AllowedOrigins": ["*"]},
    ]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    status, headers, _ = call("OPTIONS", foreign, **ask)
    assert status == 200 and headers["Access-Control-Allow-Origin"] == foreign
    assert headers["Access-Control-Allow-Methods"] == "PUT, GET" and headers["Access-Control-Max-Age"] == "60"
    assert headers["Access-Control-Allow-Headers"] == "x-amz-date, content-type"
    status, headers, body = call("GET", foreign)
    assert status == 200 and body == b"data" and headers["Access-Control-Allow-Origin"] == foreign
    assert headers["Access-Control-Expose-Headers"] == "ETag" and headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in headers["Vary"]
    assert call("HEAD", "https://evil.example")[1]["Access-Control-Allow-Origin"] == "*"
    status, headers, body = call("OPTIONS", "https://evil.example", **ask)
    assert status == 403 and b"<Code>AccessForbidden</Code>" in body and "Access-Control-Allow-Origin" not in headers
    assert call("GET", "https://evil.example")[0] == 403 and call("DELETE", foreign)[0] == 403
    # The bucket's rules open the bucket, not the other services under the same path, nor other buckets.
    assert call("PUT", foreign, X_Amz_Target="Kinesis_20131202.ListStreams")[0] == 403
    other = f"test-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=other)
    s3.put_object(Bucket=other, Key="secret", Body=b"secret")
    for source in f"/{other}/secret", f"{other}%2Fsecret":
        status, _, body = call("PUT", foreign, X_Amz_Copy_Source=source)
        assert status == 403 and b"another" in body, body
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"data"
    assert call("PUT", foreign, X_Amz_Copy_Source=f"/{bucket}/k", X_Amz_Metadata_Directive="REPLACE")[0] == 200
    # They decide for pages from here as well.
    assert call("OPTIONS", here, **ask)[0] == 403
    status, headers, body = call("GET", here)
    assert status == 200 and "Access-Control-Allow-Origin" not in headers


def test_origins_that_are_configured_need_no_rule(new_server):
    server = new_server("--cors-origin=https://app.example").start()
    s3 = server.client("s3", config=botocore.config.Config(s3={"addressing_style": "path"}))
    s3.create_bucket(Bucket="lake")
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://other.example"]}]
    s3.put_bucket_cors(Bucket="lake", CORSConfiguration={"CORSRules": rules})
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(connection):
        for method, ask in ("OPTIONS", {"Access-Control-Request-Method": "PUT"}), ("PUT", {}):
            connection.request(method, "/lake/k", headers={"Origin": "https://app.example", **ask})
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 204) and answer.headers["Access-Control-Allow-Origin"] == "https://app.example"


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls(client, bucket, version):
    s3 = client("s3", config=botocore.config.Config(signature_version=version, s3={"addressing_style": "path"}))
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b/ü"})
    request = urllib.request.Request(url, data=b"content", method="PUT", headers={"Content-Type": ""})
    assert urllib.request.urlopen(request).status == 200
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ü", "ResponseContentType": "x/y"})
    with urllib.request.urlopen(url) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"content", "x/y")


def test_virtual_hosts(endpoint, client, bucket):
    port = endpoint.rsplit(":", 1)[1]
    s3 = client("s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"content")
    for host in [f"{bucket}.localhost:{port}", f"{bucket}.s3.localhost:{port}", f"{bucket}.s3.us-east-1.amazonaws.com"]:
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}).replace(f"/{bucket}/", "/")
        request = urllib.request.Request(url, headers={"Host": host})
        assert urllib.request.urlopen(request).read() == b"content", host


def test_what_is_not_built_says_so(s3, bucket):
    assert "GetBucketVersioning" in refused("NotImplemented", 501, s3.get_bucket_versioning, Bucket=bucket)
    assert "PutBucketPolicy" in refused("NotImplemented", 501, s3.put_bucket_policy, Bucket=bucket, Policy="{}")


def test_the_aws_command_line(aws, s3, bucket, tmp_path):
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "one.txt").write_text("one")
    (source / "sub" / "two.bin").write_bytes(os.urandom(9 * MIB))
    aws("s3", "sync", str(source), f"s3://{bucket}/tree")
    assert "one.txt" in aws("s3", "ls", f"s3://{bucket}/tree/")
    assert "PRE sub/" in aws("s3", "ls", f"s3://{bucket}/tree/")
    assert aws("s3", "sync", str(source), f"s3://{bucket}/tree") == "", "nothing has changed"
    aws("s3", "cp", f"s3://{bucket}/tree/sub/two.bin", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (source / "sub" / "two.bin").read_bytes()
    aws("s3", "cp", f"s3://{bucket}/tree/one.txt", f"s3://{bucket}/copy.txt")
    aws("s3", "mv", f"s3://{bucket}/copy.txt", f"s3://{bucket}/moved.txt")
    aws("s3", "rm", "--recursive", f"s3://{bucket}/tree")
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["moved.txt"]


def test_pyarrow_and_duckdb(endpoint, s3, bucket):
    fs = pytest.importorskip("pyarrow.fs")
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    address = endpoint.removeprefix("http://")
    files = fs.S3FileSystem(access_key="test", secret_key="test", region="us-east-1", scheme="http", endpoint_override=address)
    table = pa.table({"carrier": ["UA", "AA", "B6"], "delay": [2, 4, -1]})
    pq.write_table(table, f"{bucket}/flights/year=2013/a.parquet", filesystem=files)
    assert pq.read_table(f"{bucket}/flights/year=2013/a.parquet", filesystem=files).select(["carrier", "delay"]) == table
    found = files.get_file_info(fs.FileSelector(f"{bucket}/flights", recursive=True))
    assert [info.path for info in found if info.is_file] == [f"{bucket}/flights/year=2013/a.parquet"]
    connection = duckdb.connect()
    [extension] = pathlib.Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
    connection.execute(f"LOAD '{extension}'")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID 'test', SECRET 'test', REGION 'us-east-1', ENDPOINT '{address}', URL_STYLE 'path', USE_SSL false)"
    )
    rows = connection.execute(f"SELECT sum(delay), min(year) FROM read_parquet('s3://{bucket}/flights/*/*.parquet')").fetchall()
    assert rows == [(5, 2013)]
    connection.execute(f"COPY (SELECT 1 AS one) TO 's3://{bucket}/out.parquet'")
    assert connection.execute(f"SELECT one FROM 's3://{bucket}/out.parquet'").fetchall() == [(1,)]


def test_duckdb_reads_the_files_where_they_are(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="lake")
    for country, delay in (("DE", 1), ("de", 2), ("FR", 4)):
        rows = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table({"delay": [delay]}), rows)
        s3.put_object(Bucket="lake", Key=f"Flights/country={country}/Part-0.parquet", Body=rows.getvalue())
    files = server.data_dir / "objects" / "lake" / "Flights" / "*" / "*.parquet"
    found = duckdb.sql(f"SELECT country, delay FROM read_parquet('{files}', hive_partitioning = true) ORDER BY delay").fetchall()
    assert found == [("DE", 1), ("de", 2), ("FR", 4)]
