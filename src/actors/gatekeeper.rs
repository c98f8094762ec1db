//! Tells who is an administrator of this workspace.
//!
//! `auth.test` tells whose a token is; what its owner is to the workspace `admin.users.list` tells where it may be
//! called (`Roster`), else `users.info`. A yes of `users.info` is kept for a minute, and so is whose a token is.
//!
//! Receives [`Admit`], [`Confirm`], [`Observe`].

mod roster;

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    rc::Rc,
    time::Duration,
};

use actix::{
    Actor, ActorFutureExt as _, Addr, Context, Handler, Message, ResponseActFuture, Supervised,
    WrapFuture as _,
};
use futures_util::{
    FutureExt as _,
    future::{LocalBoxFuture, Shared},
};
use sha2::{Digest as _, Sha256};
use slog::{Logger, debug, info, o, warn};
use tokio::sync::Mutex;

use crate::{
    clock::Instant,
    directory::Directory,
    domain::{Cause, RequestId, TeamId, UserId},
    logging::escape,
    slack::{Identity, SlackError, Token},
};

use super::{
    Observe, Report,
    slack_client::{Caller, GetMember, SlackClient, access::TestToken},
};
use roster::{Roster, Source};

/// How long a yes of `users.info` and a token's owner are kept.
const KEPT: Duration = Duration::from_secs(60);
/// So many tokens that are not known may be tried within [`WINDOW`].
const UNKNOWN_AT_MOST: usize = 60;
const WINDOW: Duration = Duration::from_secs(60);
/// How long Slack may take to tell.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks whose a bearer token is; answers only if he is an administrator of this workspace.
#[derive(Debug, Message)]
#[rtype(result = "Result<UserId, Denied>")]
pub struct Admit {
    /// The token.
    pub token: Token,
    /// Names the call in the log.
    pub request: RequestId,
}

/// Asks whether a member whose identity is sure is an administrator of this workspace.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Denied>")]
pub struct Confirm {
    /// Who.
    pub user: UserId,
    /// Names the call in the log.
    pub request: RequestId,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Slack does not take the token.
    #[error("slack does not take this token: it is wrong, or was revoked")]
    DeadToken,
    /// The token is another workspace's.
    #[error("this token is another workspace's")]
    AnotherWorkspace,
    /// The token is a bot's.
    #[error("this is a bot's token; an administrator's own is wanted")]
    Bot,
    /// He is a plain member, or his account was closed.
    #[error("only an administrator or an owner of the workspace may do this")]
    NotAdministrator,
    /// Too many tokens were tried that are not known.
    #[error("too many unknown tokens were tried; try again in {} s", .retry_after.as_secs())]
    TooMany {
        /// When to try again.
        retry_after: Duration,
    },
    /// Slack does not tell now.
    #[error("slack cannot tell now who is an administrator: {0}; try again later")]
    Unavailable(String),
}

type Asked<T> = LocalBoxFuture<'static, Result<T, Denied>>;
type Fingerprint = [u8; 32];

/// Questions that are under way: who asks the same waits for the same answer.
struct UnderWay<K, T: Clone>(HashMap<K, Shared<Asked<T>>>);

impl<K: Hash + Eq, T: Clone + 'static> UnderWay<K, T> {
    fn ask(
        &mut self,
        key: K,
        question: impl Future<Output = Result<T, Denied>> + 'static,
    ) -> Shared<Asked<T>> {
        self.0.entry(key).or_insert_with(|| question.boxed_local().shared()).clone()
    }
}

/// The actor.
pub struct Gatekeeper {
    slack: Addr<SlackClient>,
    directory: Directory,
    roster: Rc<Mutex<Roster>>,
    /// Whose a token is, by its SHA-256, and until when that is believed.
    owners: HashMap<Fingerprint, (UserId, Instant)>,
    /// Of whom `users.info` said yes, and until when that is believed.
    administrators: HashMap<UserId, Instant>,
    /// When unknown tokens were tried.
    tried: VecDeque<Instant>,
    tokens_under_way: UnderWay<Fingerprint, UserId>,
    members_under_way: UnderWay<UserId, Source>,
    log: Logger,
}

impl Gatekeeper {
    /// Knows nobody yet.
    pub fn new(slack: Addr<SlackClient>, directory: Directory, log: Logger) -> Self {
        Self {
            slack,
            directory,
            roster: Rc::default(),
            owners: HashMap::new(),
            administrators: HashMap::new(),
            tried: VecDeque::new(),
            tokens_under_way: UnderWay(HashMap::new()),
            members_under_way: UnderWay(HashMap::new()),
            log,
        }
    }

    /// Whose a token is.
    fn owner(
        &mut self,
        token: Token,
        print: Fingerprint,
        request: RequestId,
    ) -> ResponseActFuture<Self, Result<UserId, Denied>> {
        let now = Instant::now();
        self.owners.retain(|_, (_, until)| *until > now);
        if let Some((owner, _)) = self.owners.get(&print) {
            return Box::pin(actix::fut::ready(Ok(owner.clone())));
        }
        let is_under_way = self.tokens_under_way.0.contains_key(&print);
        let may_ask = workspace(&self.directory)
            .and_then(|team| if is_under_way { Ok(team) } else { self.count(now).map(|()| team) });
        let team = match may_ask {
            Ok(team) => team,
            Err(denied) => return Box::pin(actix::fut::ready(Err(denied))),
        };
        let question = identify(self.slack.clone(), team, token, request);
        let answer = self.tokens_under_way.ask(print, within(question)).into_actor(self);
        Box::pin(answer.map(move |owner, keeper, _| {
            keeper.tokens_under_way.0.remove(&print);
            if let Ok(owner) = &owner {
                keeper.owners.insert(print, (owner.clone(), now + KEPT));
            }
            owner
        }))
    }

    /// Counts the trial of an unknown token.
    fn count(&mut self, now: Instant) -> Result<(), Denied> {
        self.tried.retain(|at| *at + WINDOW > now);
        match self.tried.front() {
            Some(first) if self.tried.len() >= UNKNOWN_AT_MOST => {
                // A part of a second more, so that whole seconds do.
                let retry_after = (*first + WINDOW).saturating_duration_since(now) + Duration::from_secs(1);
                Err(Denied::TooMany { retry_after })
            }
            _ => {
                self.tried.push_back(now);
                Ok(())
            }
        }
    }

    /// Whether a member is an administrator.
    fn rank(&mut self, user: UserId, request: RequestId) -> ResponseActFuture<Self, Result<(), Denied>> {
        let now = Instant::now();
        self.administrators.retain(|_, until| *until > now);
        if self.administrators.contains_key(&user) {
            return Box::pin(actix::fut::ready(Ok(())));
        }
        let question =
            judge(self.slack.clone(), self.directory.clone(), self.roster.clone(), user.clone(), request);
        let answer = self.members_under_way.ask(user.clone(), within(question)).into_actor(self);
        Box::pin(answer.map(move |source, keeper, _| {
            keeper.members_under_way.0.remove(&user);
            if source? == Source::Info {
                keeper.administrators.insert(user, now + KEPT);
            }
            Ok(())
        }))
    }

    /// Lets him in if he is an administrator.
    fn admit(&mut self, user: UserId, request: RequestId) -> ResponseActFuture<Self, Result<UserId, Denied>> {
        Box::pin(self.rank(user.clone(), request).map(|rank, _, _| rank.map(|()| user)))
    }

    /// Says once why somebody was not let in.
    fn note(&self, denied: &Denied, user: Option<&UserId>, request: RequestId) {
        let log = self.log.new(o!("request" => request.to_string()));
        let log = user.map_or_else(|| log.clone(), |user| log.new(o!("user" => user.to_string())));
        match denied {
            Denied::Unavailable(why) => {
                warn!(log, "slack cannot tell who is an administrator"; "error" => escape(why),
                    "todo" => "see that slack can be reached, and that SLACK_BOT_TOKEN has users:read");
            }
            Denied::DeadToken
            | Denied::AnotherWorkspace
            | Denied::Bot
            | Denied::NotAdministrator
            | Denied::TooMany { .. } => info!(log, "somebody was not let in"; "why" => denied.to_string()),
        }
    }
}

/// Answers in time, or that Slack does not.
async fn within<T>(question: impl Future<Output = Result<T, Denied>>) -> Result<T, Denied> {
    let late = |_| Err(Denied::Unavailable(format!("no answer within {} s", PATIENCE.as_secs())));
    tokio::time::timeout(PATIENCE, question).await.unwrap_or_else(late)
}

/// Asks Slack whose a token is: a member's of this workspace, or nobody's.
async fn identify(
    slack: Addr<SlackClient>,
    team: TeamId,
    token: Token,
    request: RequestId,
) -> Result<UserId, Denied> {
    let tested = slack.send(TestToken { token, request }).await.unwrap_or_else(|_| Err(interrupted()));
    match tested {
        Ok(Identity { team: of, .. }) if of != team => Err(Denied::AnotherWorkspace),
        Ok(Identity { is_bot: true, .. }) => Err(Denied::Bot),
        Ok(identity) => Ok(identity.user),
        Err(SlackError::DeadToken(_) | SlackError::Refused(_)) => Err(Denied::DeadToken),
        Err(error) => Err(unavailable(&error)),
    }
}

/// Asks Slack whether a member is an administrator; answers where it is known from.
async fn judge(
    slack: Addr<SlackClient>,
    directory: Directory,
    roster: Rc<Mutex<Roster>>,
    user: UserId,
    request: RequestId,
) -> Result<Source, Denied> {
    let team = workspace(&directory)?;
    let listed = roster.lock().await.find(&user, &slack, &team, request).await;
    let (is_administrator, source) = match listed {
        Ok(is_administrator) => (is_administrator, Source::List),
        Err(SlackError::Refused(_) | SlackError::DeadToken(_)) => {
            (info(&slack, user, request).await?, Source::Info)
        }
        Err(error) => return Err(unavailable(&error)),
    };
    if is_administrator { Ok(source) } else { Err(Denied::NotAdministrator) }
}

/// What `users.info` says.
async fn info(slack: &Addr<SlackClient>, user: UserId, request: RequestId) -> Result<bool, Denied> {
    let caller = Caller { request, cause: Cause::Event };
    match slack.send(GetMember { user, caller }).await.unwrap_or_else(|_| Err(interrupted())) {
        Ok(member) => Ok(member.is_administrator && !member.deleted),
        Err(SlackError::Refused(code)) if matches!(&*code, "user_not_found" | "user_not_visible") => {
            Ok(false)
        }
        Err(error) => Err(unavailable(&error)),
    }
}

fn workspace(directory: &Directory) -> Result<TeamId, Denied> {
    let starting =
        || Denied::Unavailable("the service has just started and does not know its workspace".into());
    directory.load().team.clone().ok_or_else(starting)
}

fn unavailable(error: &SlackError) -> Denied {
    Denied::Unavailable(error.to_string())
}

fn interrupted() -> SlackError {
    SlackError::Unavailable("the call was interrupted by a restart".into())
}

impl Actor for Gatekeeper {
    type Context = Context<Self>;
}

impl Supervised for Gatekeeper {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        // Who waited for these was told of the restart; nobody takes note of their answers any more.
        self.tokens_under_way.0.clear();
        self.members_under_way.0.clear();
        debug!(self.log, "restarting");
    }
}

impl Handler<Admit> for Gatekeeper {
    type Result = ResponseActFuture<Self, Result<UserId, Denied>>;

    fn handle(&mut self, Admit { token, request }: Admit, _ctx: &mut Self::Context) -> Self::Result {
        let print: Fingerprint = Sha256::digest(token.expose()).into();
        let admitted = self.owner(token, print, request).then(move |owner, keeper, _| match owner {
            Ok(user) => keeper.admit(user, request),
            Err(denied) => Box::pin(actix::fut::ready(Err(denied))),
        });
        Box::pin(admitted.map(move |admitted, keeper, _| {
            if let Err(denied) = &admitted {
                keeper.note(denied, keeper.owners.get(&print).map(|(owner, _)| owner), request);
            }
            if admitted == Err(Denied::NotAdministrator) {
                keeper.owners.remove(&print);
            }
            admitted
        }))
    }
}

impl Handler<Confirm> for Gatekeeper {
    type Result = ResponseActFuture<Self, Result<(), Denied>>;

    fn handle(&mut self, Confirm { user, request }: Confirm, _ctx: &mut Self::Context) -> Self::Result {
        let rank = self.rank(user.clone(), request);
        Box::pin(
            rank.map(move |rank, keeper, _| {
                rank.inspect_err(|denied| keeper.note(denied, Some(&user), request))
            }),
        )
    }
}

impl Handler<Observe> for Gatekeeper {
    type Result = Report;

    fn handle(&mut self, _: Observe, _ctx: &mut Self::Context) -> Report {
        let snapshot = serde_json::json!({
            "tokens_known": self.owners.len(),
            "administrators_known": self.administrators.len(),
            "tokens_tried_in_the_last_minute": self.tried.iter().filter(|at| at.elapsed() < WINDOW).count(),
        });
        Report::of(snapshot, Vec::new())
    }
}

#[cfg(test)]
mod tests;
