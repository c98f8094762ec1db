//! Logs: to stdout for people or machines, and as JSON lines into a file.
