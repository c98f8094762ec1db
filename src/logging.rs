//! Logs: to stdout for people or machines, and as JSON lines into a file.

/// Text from outside, made safe for a log line: escaped, 200 characters at most.
pub fn escape(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}
