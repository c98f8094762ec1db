//! Changes `users.json` and the pictures beside it.
//!
//! Changes that come while one is written wait, and are then written together. Other processes write too: a change is
//! made to what was read, and only if that still stands; else it is read again.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use actix::{
    ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, ResponseActFuture, ResponseFuture,
    WrapFuture as _,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::value::RawValue;
use slog::{info, o};
use tokio::sync::oneshot;

use crate::{
    chance,
    clock::Instant,
    domain::{RequestId, UserId},
    storage::{
        Fetched, Key, Precondition, StorageError,
        users_file::{self, Edit},
    },
};

use super::{
    StorageHelper, UsersError,
    shelf::{DEADLINE, PICTURE_DEADLINE, Shelf},
};

/// How long other processes may come first before a change is given up.
const EDIT_WITHIN: Duration = Duration::from_secs(30);
/// The wait before a change is made to what another process wrote.
const BEFORE_AGAIN: Duration = Duration::from_millis(20);
/// So many pictures are looked for at once.
const LOOKED_FOR_AT_ONCE: usize = 64;

/// Makes a change of `users.json`; answers when it was made (unix seconds), once it is durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<u64, UsersError>")]
pub struct EditUsers {
    /// The change.
    pub edit: Edit,
    /// Names the call in the log and in the store's records.
    pub request: RequestId,
}

/// Asks for the value of `users` in `users.json`, as the store has it.
#[derive(Debug, Message)]
#[rtype(result = "Result<Box<RawValue>, UsersError>")]
pub struct ShowUsers;

/// Asks which of these pictures are not in the store.
#[derive(Debug, Message)]
#[rtype(result = "Result<BTreeSet<Key>, StorageError>")]
pub struct MissingPictures(pub BTreeSet<Key>);

/// Stores a picture; answers its link.
#[derive(Debug, Message)]
#[rtype(result = "Result<String, StorageError>")]
pub struct PutPicture {
    /// Its name.
    pub key: Key,
    /// The file.
    pub bytes: Bytes,
    /// Names the call in the log and in the store's records.
    pub request: RequestId,
}

/// Removes all of a member's pictures.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StorageError>")]
pub struct RemovePictures {
    /// Whose.
    pub user: UserId,
    /// Names the call in the store's records.
    pub request: RequestId,
}

type Answer = oneshot::Sender<Result<u64, UsersError>>;

/// Changes that wait to be written.
#[derive(Default)]
pub(super) struct Edits {
    waiting: Vec<(EditUsers, Answer)>,
    is_writing: bool,
}

impl Edits {
    /// What was being written has ended with the actor's futures; what waits goes on.
    pub(super) fn interrupted(&mut self) {
        self.is_writing = false;
    }
}

fn interrupted<T>() -> Result<T, UsersError> {
    Err(StorageError::Unavailable("the write was interrupted by a restart".into()).into())
}

impl StorageHelper {
    /// Writes what waits, unless something is being written.
    pub(super) fn begin_edits(&mut self, ctx: &mut Context<Self>) {
        if !self.edits.is_writing && !self.edits.waiting.is_empty() {
            self.edits.is_writing = true;
            let writing = self.write_edits();
            ctx.spawn(writing);
        }
    }

    fn write_edits(&mut self) -> ResponseActFuture<Self, ()> {
        let (edits, answers): (Vec<EditUsers>, Vec<Answer>) =
            std::mem::take(&mut self.edits.waiting).into_iter().unzip();
        let Some(request) = edits.first().map(|edit| edit.request) else {
            self.edits.is_writing = false;
            return Box::pin(actix::fut::ready(()));
        };
        let (shelf, log) = (self.shelf.clone(), self.log.new(o!("request" => request.to_string())));
        let edits: Arc<[Edit]> = edits.into_iter().map(|edit| edit.edit).collect();
        let written = async move {
            let written = shelf.told(shelf.edit_users(edits, request).await);
            if let Ok(bytes) = &written {
                info!(log, "users.json written"; "changes" => answers.len(), "bytes" => bytes.1);
            }
            let at = written.map(|(at, _)| at);
            for answer in answers {
                // Who asked may have gone; the change is made all the same.
                let _ = answer.send(at.clone());
            }
        };
        Box::pin(written.into_actor(self).then(|(), helper, _| helper.write_edits()))
    }
}

impl Shelf {
    /// Makes the changes to the newest `users.json`; answers when, and the size of what was written.
    async fn edit_users(&self, edits: Arc<[Edit]>, request: RequestId) -> Result<(u64, usize), UsersError> {
        let (key, store, began) = (Key::users(), self.stores.write_for(request), Instant::now());
        loop {
            let (old, only_if) = match self.users(None).await? {
                Fetched::Changed(object) => (Some(object.bytes), Precondition::Matches(object.version)),
                Fetched::Missing | Fetched::Unchanged => (None, Precondition::Absent),
            };
            let (edits, at) = (edits.clone(), self.clock.unix());
            let edited = move || users_file::edit(old.as_deref(), &edits, at);
            let edited = self.clock.offload(edited).await.unwrap_or_else(|| Err("it cannot be read".into()));
            let Some(new) = edited.map_err(UsersError::Broken)? else { return Ok((at, 0)) };
            let limit = users_file::AT_MOST;
            if new.len() as u64 > limit {
                return Err(StorageError::TooLarge { limit }.into());
            }
            let size = new.len();
            match Self::within(DEADLINE, store.put(&key, new.into(), Some(only_if))).await {
                Ok(_) => return Ok((at, size)),
                Err(StorageError::PreconditionFailed) if began.elapsed() < EDIT_WITHIN => {
                    tokio::time::sleep(BEFORE_AGAIN.mul_f64(chance::jitter())).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn show_users(&self) -> Result<Box<RawValue>, UsersError> {
        let file = match self.users(None).await? {
            Fetched::Changed(object) => Some(object.bytes),
            Fetched::Missing | Fetched::Unchanged => None,
        };
        let shown = self.clock.offload(move || users_file::users(file.as_deref())).await;
        shown.unwrap_or_else(|| Err("it cannot be read".into())).map_err(UsersError::Broken)
    }

    async fn missing_pictures(&self, keys: BTreeSet<Key>) -> Result<BTreeSet<Key>, StorageError> {
        let looked_for = keys.into_iter().map(|key| async move {
            let is_there = self.read(DEADLINE, self.stores.read.has(&key)).await?;
            Ok::<_, StorageError>((!is_there).then_some(key))
        });
        let found: Vec<Option<Key>> =
            stream::iter(looked_for).buffer_unordered(LOOKED_FOR_AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn remove_pictures(&self, user: &UserId, request: RequestId) -> Result<(), StorageError> {
        let (store, folder) = (self.stores.write_for(request), format!("{user}/"));
        self.album.borrow_mut().remove(|key| key.as_str().starts_with(&folder));
        for key in self.read(DEADLINE, self.stores.read.list(&folder)).await? {
            Self::within(DEADLINE, store.delete(&key)).await?;
        }
        Ok(())
    }
}

impl Handler<EditUsers> for StorageHelper {
    type Result = ResponseFuture<Result<u64, UsersError>>;

    fn handle(&mut self, edit: EditUsers, ctx: &mut Self::Context) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        self.edits.waiting.push((edit, answer));
        self.begin_edits(ctx);
        Box::pin(async move { answered.await.unwrap_or_else(|_| interrupted()) })
    }
}

impl Handler<ShowUsers> for StorageHelper {
    type Result = ResponseFuture<Result<Box<RawValue>, UsersError>>;

    fn handle(&mut self, _: ShowUsers, _ctx: &mut Self::Context) -> Self::Result {
        let shelf = self.shelf.clone();
        Box::pin(async move { shelf.told(shelf.show_users().await) })
    }
}

impl Handler<MissingPictures> for StorageHelper {
    type Result = ResponseFuture<Result<BTreeSet<Key>, StorageError>>;

    fn handle(&mut self, MissingPictures(keys): MissingPictures, _ctx: &mut Self::Context) -> Self::Result {
        let shelf = self.shelf.clone();
        Box::pin(async move { shelf.missing_pictures(keys).await })
    }
}

impl Handler<PutPicture> for StorageHelper {
    type Result = ResponseFuture<Result<String, StorageError>>;

    fn handle(&mut self, put: PutPicture, _ctx: &mut Self::Context) -> Self::Result {
        let shelf = self.shelf.clone();
        Box::pin(async move {
            let store = shelf.stores.write_for(put.request);
            Shelf::within(PICTURE_DEADLINE, store.put(&put.key, put.bytes, None)).await?;
            Ok(store.link(&put.key))
        })
    }
}

impl Handler<RemovePictures> for StorageHelper {
    type Result = ResponseFuture<Result<(), StorageError>>;

    fn handle(&mut self, remove: RemovePictures, _ctx: &mut Self::Context) -> Self::Result {
        let shelf = self.shelf.clone();
        Box::pin(async move { shelf.remove_pictures(&remove.user, remove.request).await })
    }
}

#[cfg(test)]
mod tests;
