//! The worst moment for a `kill -9`: both queues are full, every worker is busy, and Slack was promised all of it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use statusinator::{
    clock::Clock,
    demo::{Effect, Fault, SimulatedSlack},
    domain::UserId,
};

use super::binary::Binary;
use crate::truth::Truth;

/// 10 on standby, 10 dead letters, 4 being worked on.
const MEMBERS: usize = 24;
/// So many pictures Slack takes in a minute.
const WITH_PICTURE: usize = 20;

/// Kills the binary with full queues and starts it anew. Answers how long it took from the start until every profile
/// was as its preset says.
pub fn kill_with_full_queues(binary: &Path, is_loud: bool) -> Result<Duration, String> {
    actix::System::new().block_on(async {
        let slack = SimulatedSlack::new("T0CHAOS", false, Clock::System);
        let mut truth = Truth::new(slack, MEMBERS, false);
        for (n, member) in truth.members.clone().iter().enumerate() {
            truth.give_one_preset(member, ":a:", n < WITH_PICTURE);
        }
        let mut binary = Binary::new(binary, &truth, is_loud, &[("STATUSINATOR_RECONCILE_INTERVAL", "0s")]);
        binary.start().await?;
        for member in truth.members.clone() {
            binary.authorise(&mut truth, &member).await?;
        }
        fill(&binary, &mut truth).await?;
        binary.kill();
        binary.slack.lock().faults.clear();
        let began = Instant::now();
        binary.spawn();
        let right = binary.until("every profile is as its preset says", async || truth.wrong().is_empty());
        right.await.map_err(|late| format!("{late}: {}", truth.wrong().join("; ")))?;
        Ok(began.elapsed())
    })
}

/// Has everybody change his status while Slack answers no reading, until nothing fits any more.
async fn fill(binary: &Binary, truth: &mut Truth) -> Result<(), String> {
    binary.until("nothing is done", async || binary.depths().await == [0, 0, 0]).await?;
    binary.slack.inject(Fault::next("users.profile.get", usize::MAX, Effect::Hang));
    for (n, member) in truth.members.clone().iter().enumerate() {
        let retry = (n >= 14).then_some((1, "http_error"));
        let status = change(binary, truth, member, retry).await;
        if status != 200 {
            return Err(format!("the event of {member} was answered {status}"));
        }
        if n == 3 {
            binary.until("four are worked on", async || binary.depths().await[0] == 4).await?;
        }
    }
    match binary.depths().await {
        [4, 10, 10] => Ok(()),
        other => Err(format!("worked on, on standby, dead letters: {other:?}")),
    }
}

async fn change(binary: &Binary, truth: &mut Truth, member: &UserId, retry: Option<(usize, &str)>) -> u16 {
    binary.slack.take_events();
    truth.set_status(member, ":a:", 0);
    let mut status = 0;
    for event in binary.slack.take_events() {
        status = binary.delivery().once(&binary.client, &event, retry).await.status;
    }
    status
}
