//! SQL over the catalog's tables, on DataFusion.
