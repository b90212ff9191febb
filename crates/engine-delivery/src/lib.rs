//! Delivery streams: from the log to a destination, exactly once.
