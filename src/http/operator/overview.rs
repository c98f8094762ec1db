//! What the operator's page shows, gathered from the actors.

use std::time::Duration;

use crate::{
    actors::{
        chronicler::{Chronicle, Ending, Recount},
        reconciler::members::{Members, TellMembers},
    },
    config::QueueConfig,
    domain::TeamId,
    http::{HttpState, ReadinessReport, health},
    metrics::{Metric, Recorder, While, history::place},
};

use super::Viewer;

/// So many members are shown one by one.
const MEMBERS_AT_MOST: usize = 200;
/// How long an actor may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
const HOUR: u64 = 60 * 60;

/// All of it.
pub struct Overview {
    /// Who looks.
    pub viewer: Viewer,
    /// Unix seconds.
    pub now: u64,
    /// Seconds since the service started.
    pub uptime: u64,
    /// The workspace served.
    pub team: Option<TeamId>,
    /// What the actors tell of themselves.
    pub readiness: ReadinessReport,
    /// How the members stand; `None` when nobody answers.
    pub members: Option<Members>,
    /// What happened lately; `None` when nobody answers.
    pub chronicle: Option<Chronicle>,
    /// What was measured lately.
    pub lately: Lately,
    /// How much may wait and be worked on.
    pub queue: QueueConfig,
    /// What is wrong, the worst first.
    pub problems: Vec<Problem>,
}

/// The last hour or hours, cut into whiles.
pub struct Lately {
    /// How many minutes a while has.
    pub minutes: u64,
    /// What was measured in each.
    pub whiles: Vec<While>,
    /// How many parts ended how in each, in the order of [`Ending::ALL`].
    pub endings: Vec<[u32; 4]>,
    recorder: Recorder,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether it keeps the service from its work.
    pub is_bad: bool,
    /// What.
    pub what: String,
    /// What to do about it.
    pub todo: Option<String>,
}

impl Problem {
    /// Of a text that says what to do behind its last semicolon.
    fn bad(text: &str) -> Self {
        let (what, todo) = text.rsplit_once("; ").map_or((text, None), |(what, todo)| (what, Some(todo)));
        Self { is_bad: true, what: what.to_owned(), todo: todo.map(str::to_owned) }
    }

    fn note(what: String, todo: String) -> Self {
        Self { is_bad: false, what, todo: Some(todo) }
    }
}

impl Lately {
    /// The last hour in minutes, or, once the service is older than that, the last six in fives.
    fn new(uptime: u64, now: u64, chronicle: Option<&Chronicle>, recorder: &Recorder) -> Self {
        let (count, minutes) = if uptime < HOUR { (60, 1) } else { (72, 5) };
        let mut endings = vec![[0; 4]; count as usize];
        for (at, counts) in chronicle.into_iter().flat_map(|chronicle| &chronicle.minutes) {
            if let Some(place) = place(*at, now, count, minutes) {
                endings[place].iter_mut().zip(counts).for_each(|(sum, more)| *sum += more);
            }
        }
        Self { minutes, whiles: recorder.whiles(count, minutes), endings, recorder: recorder.clone() }
    }

    /// All of it in one.
    pub fn whole(&self) -> While {
        let mut whole = While::default();
        self.whiles.iter().for_each(|it| whole.merge(it));
        whole
    }

    /// How many parts ended how.
    pub fn sums(&self) -> [u32; 4] {
        let add = |sums: [u32; 4], counts: &[u32; 4]| std::array::from_fn(|n| sums[n] + counts[n]);
        self.endings.iter().fold([0; 4], add)
    }

    /// What it covers, as in "the last 6 hours".
    pub fn span(&self) -> &'static str {
        if self.minutes == 1 { "hour" } else { "6 hours" }
    }

    /// Whether a metric is recorded.
    pub fn records(&self, metric: Metric) -> bool {
        self.recorder.records(metric)
    }
}

/// Asks everybody at once.
pub async fn gather(viewer: Viewer, state: &HttpState) -> Overview {
    let members =
        tokio::time::timeout(PATIENCE, state.members.send(TellMembers { at_most: MEMBERS_AT_MOST }));
    let chronicle = tokio::time::timeout(PATIENCE, state.recount.send(Recount));
    let (readiness, members, chronicle) = tokio::join!(health::readiness(state), members, chronicle);
    let members = members.ok().and_then(Result::ok);
    let chronicle = chronicle.ok().and_then(Result::ok);
    let now = state.clock.unix();
    let uptime = state.started.elapsed().as_secs();
    let install_link = state.oauth.as_ref().map(|oauth| oauth.install_link.as_str());
    let mut problems: Vec<Problem> = readiness.problems.iter().map(|text| Problem::bad(text)).collect();
    problems.extend((!viewer.is_confirmed).then(|| {
        Problem::note(
            "Slack cannot say at present whether you are still an administrator".into(),
            "the page stays open, as you were one when you signed in".into(),
        )
    }));
    problems.extend(full(&readiness, state.queue));
    problems.extend(members.iter().flat_map(|members| notes(members, install_link)));
    Overview {
        viewer,
        now,
        uptime,
        team: state.directory.load().team.clone(),
        lately: Lately::new(uptime, now, chronicle.as_ref(), &state.recorder),
        readiness,
        members,
        chronicle,
        queue: state.queue,
        problems,
    }
}

/// Whether events are put off at present, for want of room.
fn full(readiness: &ReadinessReport, queue: QueueConfig) -> Option<Problem> {
    let depths = readiness.actors.get("request_queue")?;
    let is_full = |key: &str, capacity: usize| depths[key].as_u64().is_some_and(|it| it >= capacity as u64);
    if !is_full("standby", queue.capacity) {
        return None;
    }
    let what = if is_full("dead_letters", queue.dead_letter_capacity) {
        "both queues are full: events are turned away, and a pass makes good what they would have done"
    } else {
        "the request queue is full: Slack is asked to deliver again, and dead letters wait for room"
    };
    let todo = "nothing if it passes soon; else raise STATUSINATOR_WORKERS or STATUSINATOR_QUEUE_CAPACITY";
    Some(Problem::note(what.into(), todo.into()))
}

/// What is wrong with members.
fn notes(members: &Members, install_link: Option<&str>) -> Vec<Problem> {
    let mut notes = Vec::new();
    for (ending, count) in Ending::ALL.into_iter().zip(members.counts).filter(|(_, count)| *count > 0) {
        let who = if count == 1 { "1 member".to_owned() } else { format!("{count} members") };
        let (what, todo) = match ending {
            Ending::Applied => continue,
            Ending::Skipped => (
                "name or picture left alone, for want of consent",
                match install_link {
                    Some(link) => format!("send them this link, and they allow it: {link}"),
                    None => "set SLACK_CLIENT_ID and SLACK_CLIENT_SECRET, so that they can authorise".into(),
                },
            ),
            Ending::Refused => {
                ("name or picture refused for good", "see why under the last changes, or in the log".into())
            }
            Ending::Failed => (
                "name or picture could not be set",
                "nothing yet: they are looked at again by themselves, first after a minute".into(),
            ),
        };
        notes.push(Problem::note(format!("{who}: {what}"), todo));
    }
    notes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::clock::Clock;

    fn lately(uptime: u64, chronicle: &Chronicle) -> Lately {
        let recorder = Recorder::new(BTreeSet::new(), Clock::System);
        Lately::new(uptime, 1_700_000_000, Some(chronicle), &recorder)
    }

    #[test]
    fn a_problem_says_what_to_do_behind_its_last_semicolon() {
        let problem = Problem::bad("the token is dead (x): nothing is called; install the app again");

        assert_eq!(problem.what, "the token is dead (x): nothing is called");
        assert_eq!(problem.todo.as_deref(), Some("install the app again"));
        assert_eq!(Problem::bad("the disk is full").todo, None);
    }

    #[test]
    fn endings_lie_in_their_while() {
        let now = 1_700_000_000;
        let minutes = vec![(now - 7 * HOUR, [9; 4]), (now - 620, [1, 0, 0, 2]), (now - 20, [3, 1, 0, 0])];
        let chronicle = Chronicle { endings: Vec::new(), minutes };

        let old = lately(2 * HOUR, &chronicle);
        assert_eq!((old.endings.len(), old.endings[69], old.endings[71]), (72, [1, 0, 0, 2], [3, 1, 0, 0]));
        assert_eq!((old.sums(), old.span()), ([4, 1, 0, 2], "6 hours"));

        let young = lately(HOUR - 1, &chronicle);
        assert_eq!((young.endings.len(), young.endings[59], young.span()), (60, [3, 1, 0, 0], "hour"));
    }

    #[test]
    fn a_full_queue_is_told_of_and_two_full_ones_more_so() {
        let queue = QueueConfig { capacity: 3, dead_letter_capacity: 2, workers: 1 };
        let told = |standby: u64, dead_letters: u64| {
            let depths = json!({ "standby": standby, "dead_letters": dead_letters });
            let actors = [("request_queue".to_owned(), depths)].into();
            full(&ReadinessReport { status: "ready", actors, problems: Vec::new() }, queue).map(|it| it.what)
        };

        assert_eq!(told(2, 2), None);
        assert!(told(3, 1).is_some_and(|what| what.starts_with("the request queue is full")));
        assert!(told(3, 2).is_some_and(|what| what.starts_with("both queues are full")));
    }

    #[test]
    fn members_who_did_not_consent_come_with_the_link_to_send_them() {
        let members = Members { total: 5, counts: [5, 2, 0, 1], rows: Vec::new() };

        let notes = notes(&members, Some("https://x/slack/install"));

        let texts: Vec<_> = notes.iter().map(|note| note.what.as_str()).collect();
        assert_eq!(
            texts,
            [
                "2 members: name or picture left alone, for want of consent",
                "1 member: name or picture could not be set"
            ]
        );
        assert!(notes[0].todo.as_ref().is_some_and(|todo| todo.ends_with("https://x/slack/install")));
    }
}
