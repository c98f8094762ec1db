//! Carries out what an administrator decides: who is onboarded, with which presets, and who is forgotten.
//!
//! What it begins it brings to its end, also when the administrator does not wait for it.
//!
//! Receives [`Onboard`], [`ForgetMember`], [`Observe`]. Announces [`Onboarded`].

use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, Message, ResponseFuture, Supervised};
use slog::{Logger, info, o, warn};

use crate::{
    clock::Instant,
    domain::{RequestId, UserId, Users},
    logging::escape,
    slack::{SlackError, Token},
    storage::{StorageError, users_file::Edit},
};

use super::{
    Observe, Report,
    event_listener::{self, EventListener},
    reconciler::{self, Reconciler},
    request_queue::{self, RequestQueue, prompt::Onboarded},
    slack_client::{SlackClient, access::RevokeToken},
    storage_helper::{
        GetToken, RemoveToken, StorageHelper, UsersError, VaultError, Which,
        edits::{EditUsers, RemovePictures},
    },
};

/// How long a revocation may wait for Slack's limits.
const REVOKE_WITHIN: Duration = Duration::from_secs(30);

/// Replaces all presets of the members named; answers when that was written (unix seconds), once it is durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<u64, UsersError>")]
pub struct Onboard {
    /// The members and their presets.
    pub users: Users,
    /// Who decided it.
    pub administrator: UserId,
    /// Names the call in the log.
    pub request: RequestId,
}

/// Forgets a member: presets, pictures, token, state. Answers once no call for him is under way or will be made.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Unfinished>")]
pub struct ForgetMember {
    /// Who.
    pub user: UserId,
    /// Who decided it.
    pub administrator: UserId,
    /// Names the call in the log.
    pub request: RequestId,
}

/// Why a member is not wholly forgotten. Asking again goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfinished {
    /// His presets could not be removed: nothing was changed.
    #[error(transparent)]
    Presets(#[from] UsersError),
    /// His token could not be revoked, and is still in the vault.
    #[error("his token could not be revoked: {0}")]
    Token(String),
    /// What else is kept of him could not be removed.
    #[error("what is kept of him could not be removed: {0}")]
    Store(String),
}

/// The actor. It owns nothing but the others' addresses.
#[derive(Clone)]
pub struct Registrar {
    /// Keeps `users.json`, pictures and tokens.
    pub storage: Addr<StorageHelper>,
    /// Has the cache.
    pub listener: Addr<EventListener>,
    /// Has requests.
    pub queue: Addr<RequestQueue>,
    /// Remembers.
    pub reconciler: Addr<Reconciler>,
    /// Revokes tokens.
    pub slack: Addr<SlackClient>,
    /// Where it logs.
    pub log: Logger,
}

impl Registrar {
    async fn onboard(self, onboard: Onboard) -> Result<u64, UsersError> {
        let Onboard { users, administrator, request } = onboard;
        let log =
            self.log.new(o!("request" => request.to_string(), "administrator" => administrator.to_string()));
        let named: Vec<UserId> = users.keys().cloned().collect();
        let written = self.edit(Edit::Replace(users), request).await;
        match &written {
            Ok(_) => {
                info!(log, "members onboarded"; "members" => named.len());
                self.queue.do_send(Onboarded { users: named });
            }
            Err(error) => warn!(log, "members were not onboarded"; "error" => escape(&error.to_string()),
                "todo" => "see users.json and STATUSINATOR_STORE, then onboard them again"),
        }
        written
    }

    async fn edit(&self, edit: Edit, request: RequestId) -> Result<u64, UsersError> {
        let interrupted =
            |_| Err(StorageError::Unavailable("the write was interrupted by a restart".into()).into());
        self.storage.send(EditUsers { edit, request }).await.unwrap_or_else(interrupted)
    }

    async fn forget(self, forget: ForgetMember) -> Result<(), Unfinished> {
        let ForgetMember { user, administrator, request } = forget;
        let log = self.log.new(o!("request" => request.to_string(), "user" => user.to_string(),
            "administrator" => administrator.to_string()));
        let forgotten = self.forget_step_by_step(&user, request, &log).await;
        match &forgotten {
            Ok(()) => info!(log, "member forgotten"),
            Err(error) => warn!(log, "member not wholly forgotten"; "error" => escape(&error.to_string()),
                "todo" => "forget him again"),
        }
        forgotten
    }

    /// First nothing is begun for him any more, then what is under way is awaited, then what is kept goes.
    async fn forget_step_by_step(
        &self,
        user: &UserId,
        request: RequestId,
        log: &Logger,
    ) -> Result<(), Unfinished> {
        self.edit(Edit::Remove(user.clone()), request).await?;
        let interrupted = |_| Unfinished::Store("an actor was restarted meanwhile".into());
        self.listener.send(event_listener::reading::Forget(user.clone())).await.map_err(interrupted)?;
        self.queue.send(request_queue::Forget(user.clone())).await.map_err(interrupted)?;
        let is_durable =
            self.reconciler.send(reconciler::decided::Forget(user.clone())).await.map_err(interrupted)?;
        let token = self.end_token(user, request, log).await;
        let pictures =
            self.storage.send(RemovePictures { user: user.clone(), request }).await.map_err(interrupted)?;
        token?;
        pictures.map_err(|error| Unfinished::Store(error.to_string()))?;
        if is_durable { Ok(()) } else { Err(Unfinished::Store("the state folder cannot be written".into())) }
    }

    /// Revokes his token at Slack, then removes it.
    async fn end_token(&self, user: &UserId, request: RequestId, log: &Logger) -> Result<(), Unfinished> {
        let failed = |error: VaultError| Unfinished::Token(error.to_string());
        let interrupted = |_| Unfinished::Token("an actor was restarted meanwhile".into());
        match self.storage.send(GetToken { user: user.clone() }).await.map_err(interrupted)? {
            Ok(Some(token)) => self.revoke(token, request, log).await?,
            Ok(None) => return Ok(()),
            Err(VaultError::NoKeyOpens | VaultError::NoKey) => {
                warn!(log, "a token that no vault key opens was removed, but could not be revoked at slack";
                    "todo" => "he takes his consent back in slack, if he wants that");
            }
            Err(error) => return Err(failed(error)),
        }
        let remove = RemoveToken { user: user.clone(), which: Which::Any };
        self.storage.send(remove).await.map_err(interrupted)?.map(|_| ()).map_err(failed)
    }

    async fn revoke(&self, token: Token, request: RequestId, log: &Logger) -> Result<(), Unfinished> {
        let began = Instant::now();
        loop {
            let revoke = RevokeToken { token: token.clone(), request };
            let revoked = self.slack.send(revoke).await.unwrap_or_else(|_| {
                Err(SlackError::Unavailable("the call was interrupted by a restart".into()))
            });
            match revoked {
                Ok(()) | Err(SlackError::DeadToken(_)) => return Ok(()),
                Err(SlackError::MustWait { until, .. }) if until < began + REVOKE_WITHIN => {
                    tokio::time::sleep_until(until).await;
                }
                Err(SlackError::Refused(code)) => {
                    warn!(log, "slack does not let a token be revoked; it was removed"; "error" => escape(&code),
                        "todo" => "he takes his consent back in slack, if he wants that");
                    return Ok(());
                }
                Err(error) => return Err(Unfinished::Token(error.to_string())),
            }
        }
    }
}

impl Actor for Registrar {
    type Context = Context<Self>;
}

impl Supervised for Registrar {}

impl Handler<Onboard> for Registrar {
    type Result = ResponseFuture<Result<u64, UsersError>>;

    fn handle(&mut self, onboard: Onboard, _ctx: &mut Self::Context) -> Self::Result {
        Box::pin(self.clone().onboard(onboard))
    }
}

impl Handler<ForgetMember> for Registrar {
    type Result = ResponseFuture<Result<(), Unfinished>>;

    fn handle(&mut self, forget: ForgetMember, _ctx: &mut Self::Context) -> Self::Result {
        Box::pin(self.clone().forget(forget))
    }
}

impl Handler<Observe> for Registrar {
    type Result = Report;

    fn handle(&mut self, _: Observe, _ctx: &mut Self::Context) -> Report {
        Report::of(serde_json::json!({}), Vec::new())
    }
}
