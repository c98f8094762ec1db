//! Slack's rate limits as data, and the sliding windows that keep them ahead of time.
