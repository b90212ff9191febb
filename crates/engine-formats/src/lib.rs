//! Record formats, compression and the Hive type grammar.
