//! What is counted, beyond the metrics: every series of every counter, in one table.

/// Counters of one name; one label tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The name in `/metrics`.
    pub name: &'static str,
    /// The label's name; `None` for a single counter.
    pub label: Option<&'static str>,
    /// What is counted.
    pub help: &'static str,
}

const fn family(name: &'static str, label: &'static str, help: &'static str) -> Family {
    Family { name, label: Some(label), help }
}

/// What arrived at `/slack/events`, by what became of it.
pub const EVENTS: Family =
    family("statusinator_events_total", "outcome", "Requests of POST /slack/events, by what became of them");
/// Requests and their parts, by how they went.
pub const REQUESTS: Family = family(
    "statusinator_requests_total",
    "outcome",
    "Requests and their parts (name, picture), by how they went",
);
/// Passes, by how they went.
pub const PASSES: Family =
    family("statusinator_passes_total", "outcome", "Looks at all members, by how they went");
/// Files of logs and metrics, by what became of them.
pub const EXPORTS: Family =
    family("statusinator_exports_total", "outcome", "Files of logs and metrics, by what became of them");
/// Calls that Slack put off, by method.
pub const RATE_LIMITED: Family = family(
    "statusinator_rate_limited_total",
    "method",
    "Calls that Slack answered with ratelimited, by method",
);
/// Restarts, by actor.
pub const RESTARTS: Family =
    family("statusinator_actor_restarts_total", "actor", "Restarts after a stop or a panic");
const LOOKS: Family = Family {
    name: "statusinator_looks_total",
    label: None,
    help: "Looks at single members that were asked for",
};
const LINES_LOST: Family = Family {
    name: "statusinator_log_lines_lost_total",
    label: None,
    help: "Log lines that could not be written in time",
};
const SAMPLES_DROPPED: Family = Family {
    name: "statusinator_samples_dropped_total",
    label: None,
    help: "Samples that could not be written to the CSV file in time",
};

/// Actors whose restarts are counted, and the requests, which are no actors but may panic as well.
pub const RESTARTABLE: [&str; 13] = [
    "event_listener",
    "request_queue",
    "dead_letter",
    "storage_helper",
    "slack_client",
    "gatekeeper",
    "registrar",
    "reconciler",
    "chronicler",
    "metrics_recorder",
    "exporter",
    "overseer",
    "request",
];

macro_rules! counts {
    ($($family:ident { $($(#[$doc:meta])* $count:ident = $label:literal,)+ })+) => {
        /// Something that is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Count { $($($(#[$doc])* $count,)+)+ }

        impl Count {
            /// All of them in their order, each with its counter's name and label.
            pub const ALL: &[(Self, &Family, &'static str)] = &[$($((Self::$count, &$family, $label),)+)+];
        }
    };
}

counts! {
    EVENTS {
        /// It is on standby.
        EventAccepted = "accepted",
        /// It is on standby, in place of an older one of the member.
        EventReplaced = "replaced",
        /// It waits in the dead letter queue.
        EventDiverted = "diverted",
        /// 503: the request queue is full.
        EventBusy = "busy",
        /// 503: both queues are full.
        EventOverloaded = "overloaded",
        /// 503: the service stops.
        EventDraining = "draining",
        /// 503: the actors did not answer in time.
        EventUnanswered = "unanswered",
        /// 401.
        EventBadSignature = "bad_signature",
        /// 400: signed, but no JSON object.
        EventNotAnObject = "not_an_object",
        /// 400: its body broke off.
        EventCutOff = "cut_off",
        /// 413.
        EventTooLarge = "too_large",
        /// Slack tried the address.
        EventChallenge = "url_verification",
        /// Slack says that tokens were revoked, or the app uninstalled.
        EventRevoked = "tokens_revoked",
        /// Slack says that it left out events.
        EventsLeftOut = "app_rate_limited",
        /// The emoji is the newest known, or the event does not tell one.
        EventUnchanged = "ignored_unchanged",
        /// The same event was accepted before.
        EventDuplicate = "ignored_duplicate",
        /// Of a member without presets.
        EventNotOnboarded = "ignored_not_onboarded",
        /// `users.json` or the workspace is not known yet.
        EventStarting = "ignored_starting",
        /// Of another kind than any that matters.
        EventOtherKind = "ignored_other_kind",
        /// Of another workspace, or its member.
        EventOtherWorkspace = "ignored_other_workspace",
        /// Of a bot, a stranger or a closed account.
        EventNoMember = "ignored_no_member",
    }
    REQUESTS {
        /// A request ended.
        RequestEnded = "ended",
        /// A request gave back its worker until a limit allows it.
        RequestPutOff = "put_off",
        /// A request that waited was dropped: a newer one stands for it, or its member was forgotten.
        RequestDropped = "dropped",
        /// A request panicked, or its end was lost in a restart.
        RequestInterrupted = "interrupted",
        /// A request was left at a stop.
        RequestUnfinished = "unfinished",
        /// A part was set.
        PartApplied = "applied",
        /// A part was so already.
        PartAlreadySo = "already_so",
        /// A part had ended so before, for this status, preset and these tokens.
        PartStands = "stands",
        /// No token may do the part: the member has not authorised the app.
        PartNotAuthorised = "skipped_not_authorised",
        /// No token may do the part: no client is configured with which members could authorise.
        PartNoClient = "skipped_no_client",
        /// Slack, or the store, says no for good.
        PartRefused = "refused",
        /// Others' names cannot be set on the workspace's plan.
        PartNoPaidPlan = "refused_no_paid_plan",
        /// All tries were in vain; the member is looked at again.
        PartFailed = "failed",
        /// A try was in vain; another follows soon.
        PartRetried = "retried",
        /// A member's dead token was removed.
        TokenDead = "token_dead",
    }
    PASSES {
        /// A pass began.
        PassBegan = "began",
        /// A pass looked at everybody.
        PassComplete = "complete",
        /// A pass was cut short.
        PassCutShort = "cut_short",
    }
    EXPORTS {
        /// The store has it.
        ExportStored = "stored",
        /// The store failed; it is tried again.
        ExportFailed = "failed",
        /// Dropped before it was stored: there was no room for it any more.
        ExportDropped = "dropped",
    }
    LOOKS {
        /// A look was asked for.
        Look = "",
    }
    LINES_LOST {
        /// A log line was lost.
        LineLost = "",
    }
    SAMPLES_DROPPED {
        /// A sample was dropped.
        SampleDropped = "",
    }
}

impl Count {
    /// What counts an event that was answered with this error.
    pub fn of_event_error(code: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, family, label)| **family == EVENTS && *label == code);
        found.map(|(count, ..)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_series_stands_in_its_own_place_and_only_once() {
        for (n, (count, family, label)) in Count::ALL.iter().enumerate() {
            assert_eq!(*count as usize, n);
            let same = Count::ALL.iter().filter(|(_, other, text)| other == family && text == label).count();
            assert_eq!(same, 1, "{} {label}", family.name);
        }
    }

    #[test]
    fn an_errors_code_is_its_outcome() {
        assert_eq!(Count::of_event_error("bad_signature"), Some(Count::EventBadSignature));
        assert_eq!(Count::of_event_error("ended"), None);
    }
}
