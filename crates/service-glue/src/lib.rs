//! AWS Glue: the Data Catalog.
