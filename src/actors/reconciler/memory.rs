//! The memory of members: taken in at once, written to the state folder after the fact, one object a member.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use actix::{ActorFutureExt as _, AsyncContext as _, Context, ResponseActFuture, WrapFuture as _};
use slog::{Logger, error, warn};
use tokio::sync::oneshot;

use crate::{
    actors::agenda::{self, Why},
    applied::{Change, Ended, How, Record},
    clock::Instant,
    domain::{Part, UserId},
    logging::escape,
    storage::{Key, Storage, StorageError},
};

use super::Reconciler;

/// How long an object of the memory may be, in bytes.
const RECORD_AT_MOST: u64 = 64 * 1024;
/// The wait before memory that could not be written is written again.
const WRITE_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// What was seen waits so long for what follows from it: the two are then written at once.
const WRITE_SOON: Duration = Duration::from_millis(20);
/// The wait for a writing that is under way.
const UNDER_WAY: Duration = Duration::from_millis(5);

/// Reads the memory of all members from the state folder.
///
/// # Errors
/// [`StorageError`] when the folder cannot be read. What is there but damaged is left out: presets win once.
pub async fn load(state: &dyn Storage, log: &Logger) -> Result<BTreeMap<UserId, Record>, StorageError> {
    let mut records = BTreeMap::new();
    for key in state.list("members/").await? {
        let Some(user) = key.user_below("members/") else { continue };
        let Some(object) = state.get(&key, RECORD_AT_MOST).await? else { continue };
        match serde_json::from_slice(&object.bytes) {
            Ok(record) => {
                records.insert(user, record);
            }
            Err(_) => {
                warn!(log, "what was remembered of a member is damaged; his presets win once"; "user" => user.as_str())
            }
        }
    }
    Ok(records)
}

impl Reconciler {
    pub(super) fn learn(&mut self, user: &UserId, change: Change, ctx: &mut Context<Self>) {
        if self.forgotten.is_echo(user, &change) {
            return;
        }
        self.plan(user, &change);
        let only_seen = matches!(change, Change::Saw { .. } | Change::Expires(_));
        let record = self.records.entry(user.clone()).or_default();
        let before = record.clone();
        record.apply(change);
        let is_new = Record { read_began: before.read_began, ..record.clone() } != before;
        if is_new {
            self.dirty.insert(user.clone());
            if only_seen {
                ctx.run_later(WRITE_SOON, Self::write);
            } else {
                self.write(ctx);
            }
        }
    }

    /// Plans the looks that follow from what was learnt.
    fn plan(&mut self, user: &UserId, change: &Change) {
        let now = Instant::now();
        match change {
            Change::Saw { emoji, expiration, .. } => {
                let ends = if emoji.is_cleared() { 0 } else { *expiration };
                self.looks.plan_expiration(user, ends, self.parts.clock.unix(), now);
            }
            Change::Expires(ends) => self.looks.plan_expiration(user, *ends, self.parts.clock.unix(), now),
            Change::Ended(_, Ended { how: How::Failed(times), .. }) => {
                self.looks.plan(user, Why::Failed, now + agenda::repetition(*times));
            }
            Change::Ended(part, _) => {
                let other = if *part == Part::Name { Part::Picture } else { Part::Name };
                let failed = self.records.get(user).and_then(|record| record.part(other));
                if !failed.is_some_and(|ended| matches!(ended.how, How::Failed(_))) {
                    self.looks.cancel(user, Why::Failed);
                }
            }
            _ => {}
        }
    }

    /// What is remembered of a member by now, on the disk.
    pub(super) fn durable(
        &mut self,
        user: UserId,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), StorageError>> + use<> {
        let (answer, durable) = oneshot::channel();
        if self.writing.is_some() || self.dirty.contains(&user) {
            // What is being written may be older.
            self.dirty.insert(user);
            self.waiting.push(answer);
            self.write(ctx);
        } else {
            // Nobody can have gone: the other end is below.
            let _ = answer.send(Ok(()));
        }
        let interrupted = || StorageError::Unavailable("the writing was interrupted by a restart".into());
        async move { durable.await.unwrap_or_else(|_| Err(interrupted())) }
    }

    /// Writes what is new, one member after the other; what is learnt meanwhile is written after that.
    pub(super) fn write(&mut self, ctx: &mut Context<Self>) {
        if self.writing.is_none() && !self.dirty.is_empty() {
            let writing = self.write_batch();
            ctx.spawn(writing);
        }
    }

    /// Writes what is new; one that is under way ends first.
    pub(super) fn write_all(&mut self) -> ResponseActFuture<Self, ()> {
        if self.writing.is_some() {
            let pause = tokio::time::sleep(UNDER_WAY).into_actor(self);
            return Box::pin(pause.then(|(), it, _| it.write_all()));
        }
        self.write_batch()
    }

    fn write_batch(&mut self) -> ResponseActFuture<Self, ()> {
        let (batch, waiting) = (std::mem::take(&mut self.dirty), std::mem::take(&mut self.waiting));
        let object =
            |user: &UserId| self.records.get(user).and_then(|record| serde_json::to_vec(record).ok());
        let objects: Vec<_> = batch.iter().map(|user| (Key::member(user), object(user))).collect();
        self.writing = Some(batch);
        let state = self.parts.state.clone();
        let written = async move {
            for (key, bytes) in objects {
                match bytes {
                    Some(bytes) => drop(state.put(&key, bytes.into(), None).await?),
                    None => state.delete(&key).await?,
                }
            }
            Ok::<(), StorageError>(())
        };
        Box::pin(written.into_actor(self).map(move |written, it, ctx| {
            let batch = it.writing.take().unwrap_or_default();
            for waits in waiting {
                // Who asked may have gone.
                let _ = waits.send(written.clone());
            }
            match written {
                Ok(()) => {
                    it.write_problem = None;
                    it.write(ctx);
                }
                Err(error) => it.could_not_write(batch, &error, ctx),
            }
        }))
    }

    fn could_not_write(&mut self, batch: BTreeSet<UserId>, error: &StorageError, ctx: &mut Context<Self>) {
        self.dirty.extend(batch);
        if self.write_problem.is_none() {
            error!(self.log, "memory of members cannot be written"; "error" => escape(&error.to_string()),
                "todo" => "see that STATUSINATOR_DATA_DIR can be written and has room");
        }
        self.write_problem = Some(format!("STATUSINATOR_DATA_DIR cannot be written: {error}"));
        ctx.run_later(WRITE_AGAIN_AFTER, Self::write);
    }
}
