//! Reads and writes the store for everybody else.
//!
//! Receives [`ReadUsers`], [`GetPicture`], [`GetToken`], [`PutToken`], [`RemoveToken`], [`TokenOwners`],
//! [`Observe`]. Every read and write has a deadline.

mod album;
pub mod edits;
mod reseal;
mod shelf;

use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
    time::SystemTime,
};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Recipient, ResponseActFuture,
    ResponseFuture, Supervised, WrapFuture,
};
use slog::{Logger, debug, error, info, warn};

use crate::{
    clock::Clock,
    domain::{RequestId, UserId, Users},
    metrics::{Metric, Recorder},
    pictures::Picture,
    slack::{Fingerprint, Token},
    storage::{Fetched, Storage, StorageError, Stores, Version, users_file},
    vault::{Stored, Vault},
};

use super::{Observe, Report, event_listener::Missed};
use edits::Edits;
use shelf::Shelf;

/// Asks for `users.json`, if it changed since the last [`ReadUsers`] that succeeded.
#[derive(Debug, Message)]
#[rtype(result = "Result<UsersRead, UsersError>")]
pub struct ReadUsers {
    /// Asks for it even if it did not change.
    pub anew: bool,
}

/// What [`ReadUsers`] found.
#[derive(Debug, Clone)]
pub enum UsersRead {
    /// The version read last still stands.
    Unchanged,
    /// Another version.
    Changed {
        /// Everybody in it.
        users: Arc<Users>,
        /// The file's size.
        bytes: u64,
    },
}

/// Why `users.json` could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsersError {
    /// It is there, but damaged; or it was there and is gone.
    #[error("users.json is damaged: {0}")]
    Broken(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StorageError),
}

/// Asks for the picture behind a link of `users.json`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Picture, PictureError>")]
pub struct GetPicture {
    /// Whose preset has the link.
    pub user: UserId,
    /// The link as `users.json` has it.
    pub link: String,
}

/// Why a picture could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// The link does not end with this member's folder and a UUID.
    #[error("the link is not one of his pictures")]
    NotHis,
    /// There is no such picture.
    #[error("the picture is not in the store")]
    Missing,
    /// It is no picture that Slack would take.
    #[error("the picture is damaged or not as slack wants it: {0}")]
    Damaged(String),
    /// The store failed; another time it may not.
    #[error(transparent)]
    Store(#[from] StorageError),
}

/// Asks for a member's token.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Token>, VaultError>")]
pub struct GetToken {
    /// Whose.
    pub user: UserId,
}

/// Seals a member's token and stores it in place of his old one.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), VaultError>")]
pub struct PutToken {
    /// Whose.
    pub user: UserId,
    /// The token.
    pub token: Token,
    /// Names the call in the log.
    pub request: RequestId,
}

/// Removes a member's token, if it is the one meant. Answers whether one was removed.
#[derive(Debug, Message)]
#[rtype(result = "Result<bool, VaultError>")]
pub struct RemoveToken {
    /// Whose.
    pub user: UserId,
    /// Which one.
    pub which: Which,
}

/// Which token is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// This very one.
    This(Fingerprint),
    /// Any that was stored at this time or earlier.
    StoredUntil(SystemTime),
    /// Whichever it is, also one that no key opens.
    Any,
}

/// Asks whose tokens the vault has.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<UserId>, VaultError>")]
pub struct TokenOwners;

/// Why a token could not be had or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The token is there, but none of the keys opens it.
    #[error("no vault key opens the token")]
    NoKeyOpens,
    /// There are tokens but no key, and making one now would lock them out.
    #[error("the vault has no key")]
    NoKey,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StorageError),
}

/// The actor.
pub struct StorageHelper {
    shelf: Shelf,
    edits: Edits,
    /// The version of `users.json` that was read and is whole.
    version: Option<Version>,
    /// Tokens that were opened, so that not every request reads the vault.
    opened: HashMap<UserId, Token>,
    /// Whose tokens no key opens.
    locked: BTreeSet<UserId>,
    log: Logger,
}

impl StorageHelper {
    /// Serves these stores; `state` is the service's own folder. `on_damage` hears when `users.json` turns out damaged.
    pub fn new(
        stores: Stores,
        state: Rc<dyn Storage>,
        vault: Option<Vault>,
        on_damage: Recipient<Missed>,
        recorder: Recorder,
        clock: Clock,
        log: Logger,
    ) -> Self {
        let (vault, album, replacing) = (vault.map(Rc::new), Rc::default(), Rc::default());
        let shelf = Shelf { stores, state, vault, recorder, clock, album, on_damage, replacing };
        let edits = Edits::default();
        Self { shelf, edits, version: None, opened: HashMap::new(), locked: BTreeSet::new(), log }
    }

    /// Takes in what a reading of `users.json` found.
    fn take_in(&mut self, fetched: Result<Fetched, UsersError>) -> Result<UsersRead, UsersError> {
        let object = match fetched? {
            Fetched::Unchanged => return Ok(UsersRead::Unchanged),
            Fetched::Missing => {
                self.shelf.recorder.level(Metric::DatastoreSize, 0);
                return Ok(UsersRead::Changed { users: Arc::default(), bytes: 0 });
            }
            Fetched::Changed(object) => object,
        };
        // On this thread: of others each would keep the room for a whole list (glibc's arenas), 780 MB after ten changes of
        // one with 100,000 members instead of 380. It holds up the actors for 0.4 s then.
        let file = users_file::parse(&object.bytes).map_err(UsersError::Broken)?;
        if file.left_out > 0 {
            warn!(self.log, "users.json has entries whose key is no user id"; "left_out" => file.left_out,
                "todo" => "correct them");
        }
        self.version = Some(object.version);
        let bytes = object.bytes.len() as u64;
        self.shelf.recorder.level(Metric::DatastoreSize, bytes);
        Ok(UsersRead::Changed { users: Arc::new(file.users), bytes })
    }

    /// Remembers how opening a token went.
    fn note_token(&mut self, user: &UserId, token: &Result<Option<Token>, VaultError>) {
        match token {
            Ok(Some(token)) => {
                self.locked.remove(user);
                self.opened.insert(user.clone(), token.clone());
            }
            Ok(None) => {
                self.locked.remove(user);
            }
            Err(error @ (VaultError::NoKeyOpens | VaultError::NoKey)) => {
                if self.locked.insert(user.clone()) {
                    error!(self.log, "a token cannot be opened and stays where it is"; "user" => user.as_str(),
                        "error" => error.to_string(), "todo" => "add the key that sealed it to STATUSINATOR_VAULT_KEY");
                }
            }
            Err(VaultError::Store(_)) => {}
        }
    }
}

impl Actor for StorageHelper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1024);
        self.begin_edits(ctx);
        if self.shelf.vault.as_ref().is_some_and(|vault| vault.has_older_keys()) {
            ctx.spawn(reseal::reseal(self.shelf.clone(), self.log.clone()).into_actor(self));
        }
    }
}

impl Supervised for StorageHelper {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        self.edits.interrupted();
        // A removal may have been cut short between the store and this: the vault is asked again.
        self.opened.clear();
        debug!(self.log, "restarting");
    }
}

impl Handler<ReadUsers> for StorageHelper {
    type Result = ResponseActFuture<Self, Result<UsersRead, UsersError>>;

    fn handle(&mut self, ReadUsers { anew }: ReadUsers, _ctx: &mut Self::Context) -> Self::Result {
        let (shelf, known) = (self.shelf.clone(), self.version.clone().filter(|_| !anew));
        let fetched = async move { shelf.users(known).await }.into_actor(self);
        Box::pin(fetched.map(|fetched, helper, _| helper.take_in(fetched)))
    }
}

impl Handler<GetPicture> for StorageHelper {
    type Result = ResponseFuture<Result<Picture, PictureError>>;

    fn handle(&mut self, get: GetPicture, _ctx: &mut Self::Context) -> Self::Result {
        let shelf = self.shelf.clone();
        Box::pin(async move { shelf.picture(&get.user, &get.link).await })
    }
}

impl Handler<GetToken> for StorageHelper {
    type Result = ResponseActFuture<Self, Result<Option<Token>, VaultError>>;

    fn handle(&mut self, GetToken { user }: GetToken, _ctx: &mut Self::Context) -> Self::Result {
        if let Some(token) = self.opened.get(&user) {
            return Box::pin(actix::fut::ready(Ok(Some(token.clone()))));
        }
        let shelf = self.shelf.clone();
        let read = async move {
            let token = shelf.token(&user).await.map(|stored| stored.map(|stored| stored.token));
            (user, token)
        };
        Box::pin(read.into_actor(self).map(|(user, token), helper, _| {
            helper.note_token(&user, &token);
            token
        }))
    }
}

impl Handler<PutToken> for StorageHelper {
    type Result = ResponseActFuture<Self, Result<(), VaultError>>;

    fn handle(&mut self, put: PutToken, _ctx: &mut Self::Context) -> Self::Result {
        self.opened.remove(&put.user);
        let shelf = self.shelf.clone();
        let stored = Stored { token: put.token, at: self.shelf.clock.wall() };
        let user = put.user;
        let written = async move {
            let written = shelf.put_token(&user, &stored, put.request).await;
            (user, stored.token, written)
        };
        Box::pin(written.into_actor(self).map(move |(user, token, written), helper, _| {
            if written.is_ok() {
                info!(helper.log, "token stored"; "request" => put.request.to_string(), "user" => user.as_str());
                helper.note_token(&user, &Ok(Some(token)));
            }
            written
        }))
    }
}

impl Handler<RemoveToken> for StorageHelper {
    type Result = ResponseActFuture<Self, Result<bool, VaultError>>;

    fn handle(&mut self, remove: RemoveToken, _ctx: &mut Self::Context) -> Self::Result {
        let shelf = self.shelf.clone();
        let removed = async move {
            let removed = shelf.remove_token(&remove.user, &remove.which).await;
            (remove.user, removed)
        };
        Box::pin(removed.into_actor(self).map(|(user, removed), helper, _| {
            helper.opened.remove(&user);
            removed
        }))
    }
}

impl Handler<TokenOwners> for StorageHelper {
    type Result = ResponseFuture<Result<Vec<UserId>, VaultError>>;

    fn handle(&mut self, _: TokenOwners, _ctx: &mut Self::Context) -> Self::Result {
        let shelf = self.shelf.clone();
        Box::pin(async move { shelf.token_owners().await })
    }
}

impl Handler<Observe> for StorageHelper {
    type Result = Report;

    fn handle(&mut self, _: Observe, _ctx: &mut Self::Context) -> Report {
        let locked = (!self.locked.is_empty()).then(|| {
            format!(
                "no vault key opens the tokens of {} members; add the key that sealed them to STATUSINATOR_VAULT_KEY",
                self.locked.len()
            )
        });
        let snapshot = serde_json::json!({
            "users_json_read": self.version.is_some(),
            "tokens_opened": self.opened.len(),
            "tokens_locked": self.locked.len(),
        });
        Report::of(snapshot, locked.into_iter().collect())
    }
}
