//! Amazon S3 on the object store, through s3s.
