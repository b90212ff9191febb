//! The AWS wire protocols: authenticate, route, decode, validate, encode.
