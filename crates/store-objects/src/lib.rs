//! Buckets and objects as plain files on local disk.
