//! The metrics by name.

/// What is measured. The text of each is its name in CSV files and settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// From an accepted event's arrival to the end of its request, ms.
    RequestLifecycleDuration,
    /// Verifying and parsing one event, ms.
    EventParsingLatency,
    /// Standby requests, count.
    InboundRequestQueueSize,
    /// Requests in the dead letter queue, count.
    DeadLetterQueueSize,
    /// One read of the store, ms.
    S3FetchLatency,
    /// One call of the Web API, ms.
    SlackApiLatency,
    /// Members with presets, count.
    OnboardedUsers,
    /// Size of `users.json`, bytes.
    DatastoreSize,
}
