//! Remembers what became of members' names and pictures lately, for the operator's page.
//!
//! All of it is in memory and bounded: the last [`AT_MOST`] endings, and how many parts ended how in each of the last
//! hours' minutes. A restart of the process begins a new chronicle; the log has the old one.
//!
//! Receives [`Happened`], [`Recount`], [`Observe`].

use std::collections::VecDeque;

use actix::{Actor, Context, Handler, Message, MessageResponse, Supervised};
use slog::{Logger, debug};

use crate::{
    clock::Clock,
    domain::{Part, RequestId, UserId},
    metrics::history::MINUTES,
};

use super::{Observe, Report};

/// How many endings are remembered one by one.
pub const AT_MOST: usize = 50;
/// Seconds in a minute.
const MINUTE: u64 = 60;

/// How a part ended, as operators tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Slack took it.
    Applied,
    /// No token may do it.
    Skipped,
    /// No for good.
    Refused,
    /// It did not work out, and is tried again.
    Failed,
}

impl Ending {
    /// All of them, from the best to the worst.
    pub const ALL: [Self; 4] = [Self::Applied, Self::Skipped, Self::Refused, Self::Failed];

    /// The ending's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Skipped => "skipped",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Announces that a part of a member's profile came to an end. Names and links are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Happened {
    /// The request that came to it.
    pub request: RequestId,
    /// Whose.
    pub user: UserId,
    /// Which part.
    pub part: Part,
    /// How.
    pub ending: Ending,
    /// Why, where that is not plain: an error's name, and what to do about it.
    pub why: Option<String>,
}

/// Asks what happened lately.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Chronicle")]
pub struct Recount;

/// What happened lately.
#[derive(Debug, Clone, Default, MessageResponse)]
pub struct Chronicle {
    /// When each ending was, unix seconds; the newest first.
    pub endings: Vec<(u64, Happened)>,
    /// How many parts ended how, in the order of [`Ending::ALL`], in minutes that begin then (unix seconds).
    pub minutes: Vec<(u64, [u32; 4])>,
}

/// The actor.
pub struct Chronicler {
    clock: Clock,
    endings: VecDeque<(u64, Happened)>,
    minutes: VecDeque<(u64, [u32; 4])>,
    log: Logger,
}

impl Chronicler {
    /// Remembers nothing yet.
    pub fn new(clock: Clock, log: Logger) -> Self {
        Self { clock, endings: VecDeque::new(), minutes: VecDeque::new(), log }
    }

    fn note(&mut self, happened: Happened, unix: u64) {
        let minute = unix - unix % MINUTE;
        // A clock that was set back goes on in the newest minute.
        if self.minutes.back().is_none_or(|(newest, _)| *newest < minute) {
            self.minutes.push_back((minute, [0; 4]));
        }
        while self.minutes.front().is_some_and(|(oldest, _)| oldest + MINUTES * MINUTE <= minute) {
            self.minutes.pop_front();
        }
        if let Some((_, counts)) = self.minutes.back_mut() {
            counts[happened.ending as usize] += 1;
        }
        self.endings.push_front((unix, happened));
        self.endings.truncate(AT_MOST);
    }
}

impl Actor for Chronicler {
    type Context = Context<Self>;
}

impl Supervised for Chronicler {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        debug!(self.log, "restarting"; "endings" => self.endings.len());
    }
}

impl Handler<Happened> for Chronicler {
    type Result = ();

    fn handle(&mut self, happened: Happened, _ctx: &mut Self::Context) {
        let now = self.clock.unix();
        self.note(happened, now);
    }
}

impl Handler<Recount> for Chronicler {
    type Result = Chronicle;

    fn handle(&mut self, _: Recount, _ctx: &mut Self::Context) -> Chronicle {
        Chronicle {
            endings: self.endings.iter().cloned().collect(),
            minutes: self.minutes.iter().copied().collect(),
        }
    }
}

impl Handler<Observe> for Chronicler {
    type Result = Report;

    fn handle(&mut self, _: Observe, _ctx: &mut Self::Context) -> Report {
        let snapshot = serde_json::json!({ "endings_remembered": self.endings.len() });
        Report::of(snapshot, Vec::new())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::logging::silent;

    const NOW: u64 = 1_700_000_040;

    fn happened(ending: Ending) -> Happened {
        let (request, user) = (RequestId::random(), "U1".parse().unwrap());
        Happened { request, user, part: Part::Name, ending, why: None }
    }

    fn chronicler() -> Chronicler {
        Chronicler::new(Clock::System, silent())
    }

    #[actix::test]
    async fn it_recounts_the_newest_first_and_how_many_ended_how() {
        let actor = chronicler().start();
        let (first, second) = (happened(Ending::Applied), happened(Ending::Refused));
        actor.do_send(first.clone());
        actor.do_send(second.clone());

        let chronicle = actor.send(Recount).await.unwrap();

        let told: Vec<Happened> = chronicle.endings.into_iter().map(|(_, happened)| happened).collect();
        assert_eq!(told, [second, first]);
        let sums = chronicle
            .minutes
            .iter()
            .fold([0; 4], |sum: [u32; 4], (_, counts)| std::array::from_fn(|n| sum[n] + counts[n]));
        assert_eq!(sums, [1, 0, 1, 0]);
    }

    #[test]
    fn a_minute_holds_what_ended_in_it() {
        let mut chronicler = chronicler();
        for (at, ending) in [(NOW, Ending::Applied), (NOW + 59, Ending::Failed), (NOW + 60, Ending::Skipped)]
        {
            chronicler.note(happened(ending), at);
        }

        assert_eq!(chronicler.minutes, [(NOW, [1, 0, 0, 1]), (NOW + 60, [0, 1, 0, 0])]);
    }

    #[test]
    fn neither_endings_nor_minutes_grow_without_bound() {
        let mut chronicler = chronicler();
        for n in 0..2 * MINUTES {
            chronicler.note(happened(Ending::Applied), NOW + n * MINUTE);
        }
        chronicler.note(happened(Ending::Applied), NOW);

        assert_eq!((chronicler.endings.len(), chronicler.minutes.len() as u64), (AT_MOST, MINUTES));
        assert_eq!(chronicler.minutes.back().unwrap().1, [2, 0, 0, 0]);
    }
}
