//! Builds the service, runs it, and stops it in order.
