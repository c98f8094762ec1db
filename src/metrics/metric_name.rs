//! The metrics by name.

use std::str::FromStr;

/// What is measured.
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

impl Metric {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::RequestLifecycleDuration,
        Self::EventParsingLatency,
        Self::InboundRequestQueueSize,
        Self::DeadLetterQueueSize,
        Self::S3FetchLatency,
        Self::SlackApiLatency,
        Self::OnboardedUsers,
        Self::DatastoreSize,
    ];

    /// The metric's name in files and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::RequestLifecycleDuration => "request_lifecycle_duration",
            Self::EventParsingLatency => "event_parsing_latency",
            Self::InboundRequestQueueSize => "inbound_request_queue_size",
            Self::DeadLetterQueueSize => "dead_letter_queue_size",
            Self::S3FetchLatency => "s3_fetch_latency",
            Self::SlackApiLatency => "slack_api_latency",
            Self::OnboardedUsers => "onboarded_users",
            Self::DatastoreSize => "datastore_size",
        }
    }

    /// What its values count.
    pub fn units(self) -> &'static str {
        match self {
            Self::RequestLifecycleDuration
            | Self::EventParsingLatency
            | Self::S3FetchLatency
            | Self::SlackApiLatency => "ms",
            Self::InboundRequestQueueSize | Self::DeadLetterQueueSize | Self::OnboardedUsers => "count",
            Self::DatastoreSize => "bytes",
        }
    }

    /// Whether it measures how long something takes.
    pub fn is_duration(self) -> bool {
        self.units() == "ms"
    }

    /// The metric's name in `/metrics`, where names end with their base unit.
    pub fn prometheus_name(self) -> String {
        let unit = match self.units() {
            "ms" => "_seconds",
            "bytes" => "_bytes",
            _ => "",
        };
        format!("statusinator_{}{unit}", self.name())
    }

    /// What is measured, in a line.
    pub fn help(self) -> &'static str {
        match self {
            Self::RequestLifecycleDuration => "From an accepted event's arrival to the end of its request",
            Self::EventParsingLatency => "Verifying and parsing one event",
            Self::InboundRequestQueueSize => "Standby requests",
            Self::DeadLetterQueueSize => "Requests in the dead letter queue",
            Self::S3FetchLatency => "One read of the store",
            Self::SlackApiLatency => "One call of Slack's Web API",
            Self::OnboardedUsers => "Members with presets",
            Self::DatastoreSize => "Size of users.json",
        }
    }
}

/// Tells that a text is no metric's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a metric")]
pub struct UnknownMetric;

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(text: &str) -> Result<Self, UnknownMetric> {
        Self::ALL.into_iter().find(|metric| metric.name() == text).ok_or(UnknownMetric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_stands_in_its_own_place_and_is_found_by_its_name() {
        for (n, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!((metric as usize, metric.name().parse()), (n, Ok(metric)));
        }
        assert_eq!("queue".parse::<Metric>(), Err(UnknownMetric));
    }

    #[test]
    fn prometheus_names_end_with_the_base_unit() {
        assert_eq!(Metric::SlackApiLatency.prometheus_name(), "statusinator_slack_api_latency_seconds");
        assert_eq!(Metric::DatastoreSize.prometheus_name(), "statusinator_datastore_size_bytes");
        assert_eq!(Metric::OnboardedUsers.prometheus_name(), "statusinator_onboarded_users");
    }
}
