//! The queue's rules against a model that is as simple as the contract's table.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn user(n: usize) -> UserId {
    format!("U{n}").parse().unwrap()
}

fn event(n: usize, emoji: usize) -> Request {
    Request::new(RequestId::random(), user(n), Some(Emoji::new(&format!("e{emoji}"))), Cause::Event)
}

fn look(n: usize, cause: Cause) -> Request {
    Request::new(RequestId::random(), user(n), None, cause)
}

fn backlog(capacity: usize, dead_letter_capacity: usize, workers: usize) -> Backlog {
    Backlog::new(QueueConfig { capacity, dead_letter_capacity, workers })
}

fn reading(request: &Request, emoji: Option<usize>) -> Reading {
    let emoji = emoji.map(|emoji| Emoji::new(&format!("e{emoji}")));
    Reading { request: request.id, user: request.user.clone(), began: Instant::now(), emoji }
}

/// The contract's table, over lists of member and emoji.
#[derive(Debug, Default)]
struct Model {
    standby: Vec<(usize, usize)>,
    dead: Vec<(usize, usize)>,
    working: Vec<(usize, Option<usize>)>,
    read: BTreeMap<usize, usize>,
}

impl Model {
    fn newest_known(&self, member: usize) -> Option<usize> {
        let waits =
            self.standby.iter().chain(&self.dead).find(|(of, _)| *of == member).map(|(_, emoji)| *emoji);
        if waits.is_some() {
            return waits;
        }
        match self.working.iter().find(|(of, _)| *of == member) {
            Some((_, emoji)) => *emoji,
            None => self.read.get(&member).copied(),
        }
    }

    fn event(&mut self, config: QueueConfig, member: usize, emoji: usize, is_retry: bool) -> Verdict {
        if self.newest_known(member) == Some(emoji) {
            return Verdict::Unchanged;
        }
        let (on_standby, is_dead) =
            (self.standby.iter().any(|(of, _)| *of == member), self.dead.iter().any(|(of, _)| *of == member));
        let has_room = self.standby.len() < config.capacity;
        let verdict = match (on_standby, is_dead, has_room) {
            (true, ..) => Verdict::Replaced,
            (false, false, true) => Verdict::Queued,
            (false, true, _) => Verdict::Diverted,
            (false, false, false) if self.dead.len() >= config.dead_letter_capacity => Verdict::Overloaded,
            (false, false, false) if is_retry => Verdict::Diverted,
            (false, false, false) => Verdict::Busy,
        };
        let queue = match verdict {
            Verdict::Queued | Verdict::Replaced => &mut self.standby,
            Verdict::Diverted => &mut self.dead,
            _ => return verdict,
        };
        queue.retain(|(of, _)| *of != member);
        queue.push((member, emoji));
        verdict
    }

    /// A worker takes the first whose member is free; then, if standby is empty, dead letters move.
    fn take(&mut self, config: QueueConfig) -> Option<usize> {
        if self.working.len() >= config.workers {
            return None;
        }
        let is_free = |(member, _): &(usize, usize)| !self.working.iter().any(|(of, _)| of == member);
        let (member, _) = self.standby.remove(self.standby.iter().position(is_free)?);
        self.working.push((member, None));
        Some(member)
    }

    fn refill(&mut self, config: QueueConfig) {
        if self.standby.is_empty() {
            let moved = self.dead.len().min(config.capacity);
            self.standby.extend(self.dead.drain(..moved));
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Event { member: usize, emoji: usize, is_retry: bool },
    Take,
    Read { nth: usize, emoji: usize },
    Finish { nth: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_usize..7, 0_usize..3, any::<bool>()).prop_map(|(member, emoji, is_retry)| Step::Event { member, emoji, is_retry }),
        2 => Just(Step::Take),
        1 => (0_usize..4, 0_usize..3).prop_map(|(nth, emoji)| Step::Read { nth, emoji }),
        2 => (0_usize..4).prop_map(|nth| Step::Finish { nth }),
    ]
}

fn shown(queue: &VecDeque<Request>) -> Vec<(String, String)> {
    queue.iter().map(|it| (it.user.to_string(), it.hint.as_ref().unwrap().to_string())).collect()
}

fn of_model(queue: &[(usize, usize)]) -> Vec<(String, String)> {
    queue.iter().map(|(member, emoji)| (format!("U{member}"), format!(":e{emoji}:"))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_thousand_random_sequences_go_as_the_model_goes(
        (capacity, dead, workers) in (1_usize..4, 1_usize..4, 1_usize..4),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let config = QueueConfig { capacity, dead_letter_capacity: dead, workers };
        let (mut real, mut model) = (Backlog::new(config), Model::default());
        // What lies with `DeadLetter`, and what the workers have.
        let (mut letters, mut taken): (Vec<Request>, Vec<Request>) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Event { member, emoji, is_retry } => {
                    let request = event(member, emoji);
                    let verdict = real.admit(&request, is_retry);
                    prop_assert_eq!(verdict, model.event(config, member, emoji, is_retry));
                    if verdict == Verdict::Diverted {
                        letters.retain(|held| held.user != request.user);
                        letters.push(request);
                    }
                }
                Step::Take => {
                    let got = real.take(Instant::now()).map(|(request, _)| request);
                    prop_assert_eq!(got.as_ref().map(|it| it.user.clone()), model.take(config).map(user));
                    taken.extend(got);
                }
                Step::Read { nth, emoji } if nth < taken.len() => {
                    real.note_reading(reading(&taken[nth], Some(emoji)));
                    let place = model.working.iter_mut().find(|(of, _)| user(*of) == taken[nth].user).unwrap();
                    place.1 = Some(emoji);
                    model.read.insert(place.0, emoji);
                }
                Step::Finish { nth } if nth < taken.len() => {
                    let request = taken.remove(nth);
                    model.working.retain(|(of, _)| user(*of) != request.user);
                    prop_assert_eq!(real.finish(request, None), Finished::Ended);
                }
                Step::Read { .. } | Step::Finish { .. } => {}
            }
            let room = real.room_for_dead_letters();
            if room > 0 {
                let moved: Vec<Request> = letters.drain(..room).collect();
                let left = letters.iter().map(Held::of).collect();
                real.refill(moved, left);
            }
            model.refill(config);
            prop_assert_eq!(shown(&real.standby), of_model(&model.standby));
            prop_assert_eq!(shown(&letters.clone().into()), of_model(&model.dead));
            prop_assert!(real.standby.len() <= capacity && letters.len() <= dead && taken.len() <= workers);
        }
    }
}

#[test]
fn a_member_whose_request_is_worked_on_keeps_his_place_until_he_is_free() {
    let mut backlog = backlog(5, 5, 2);
    backlog.admit(&event(1, 1), false);
    let (first, _) = backlog.take(Instant::now()).unwrap();
    backlog.admit(&event(1, 2), false);
    backlog.admit(&event(2, 1), false);

    assert_eq!(backlog.take(Instant::now()).unwrap().0.user, user(2));

    backlog.finish(first, None);
    assert_eq!(backlog.take(Instant::now()).unwrap().0.user, user(1));
}

#[test]
fn looks_wait_for_idle_workers_and_an_empty_standby_and_go_before_passes() {
    let mut backlog = backlog(5, 5, 1);
    backlog.add_look(look(1, Cause::Pass));
    backlog.add_look(look(2, Cause::Look));
    backlog.admit(&event(3, 1), false);
    let mut order = Vec::new();
    while let Some((request, _)) = backlog.take(Instant::now()) {
        order.push(request.user.clone());
        backlog.finish(request, None);
    }

    assert_eq!(order, [user(3), user(2), user(1)]);
}

#[test]
fn what_waits_for_a_member_stands_for_a_look_at_him() {
    let mut backlog = backlog(5, 5, 1);
    backlog.admit(&event(1, 1), false);
    backlog.add_look(look(1, Cause::Look));
    assert_eq!(backlog.depths().looks, 0);

    backlog.add_look(look(2, Cause::Pass));
    backlog.add_look(look(2, Cause::Look));
    backlog.add_look(look(2, Cause::Pass));
    assert_eq!(backlog.depths().looks, 1);

    backlog.admit(&event(2, 1), false);
    assert_eq!(backlog.depths().looks, 0);
}

#[test]
fn a_request_that_was_put_off_comes_back_when_it_is_due_unless_a_newer_one_came() {
    let (mut backlog, now) = (backlog(5, 5, 1), Instant::now());
    backlog.admit(&event(1, 1), false);
    let (request, _) = backlog.take(now).unwrap();
    let later = now + Duration::from_secs(5);
    assert_eq!(backlog.finish(request, Some(later)), Finished::PutOff);
    assert_eq!((backlog.next_due(now), backlog.depths().standby), (Some(later), 0));
    assert!(backlog.take(now).is_none());
    assert_eq!(backlog.next_due(later), None, "what is due already waits for a worker");

    let (request, _) = backlog.take(later).unwrap();
    let id = request.id;
    backlog.finish(request, Some(later));
    backlog.admit(&event(1, 2), false);

    assert_eq!((backlog.depths().put_off, backlog.take_withdrawn()), (0, vec![id]));
}

#[test]
fn a_request_is_not_put_off_when_a_newer_one_came_meanwhile() {
    let (mut backlog, now) = (backlog(5, 5, 1), Instant::now());
    backlog.admit(&event(1, 1), false);
    let (request, _) = backlog.take(now).unwrap();
    backlog.admit(&event(1, 2), false);

    assert_eq!(backlog.finish(request, Some(now)), Finished::Replaced);
}

#[test]
fn the_emoji_last_read_is_that_of_the_call_which_began_last() {
    let (mut backlog, now) = (backlog(5, 5, 1), Instant::now());
    backlog.note_read(user(1), Emoji::new("new"), now + Duration::from_secs(1));

    backlog.note_read(user(1), Emoji::new("old"), now);

    assert_eq!(backlog.newest_known(&user(1)), Some(&Emoji::new("new")));
}

#[test]
fn a_member_who_is_forgotten_leaves_nothing_that_waits() {
    let (mut backlog, now) = (backlog(1, 5, 1), Instant::now());
    backlog.admit(&event(1, 1), false);
    let (request, cancel) = backlog.take(now).unwrap();
    backlog.note_reading(reading(&request, Some(1)));
    backlog.admit(&event(1, 2), false);

    assert!(backlog.forget(&user(1)).is_some());

    assert!(cancel.is_cancelled());
    assert_eq!(backlog.finish(request, Some(now)), Finished::Replaced);
    assert_eq!((backlog.depths().standby, backlog.newest_known(&user(1))), (0, None));
    assert_eq!(backlog.forget(&user(1)), None);
}
