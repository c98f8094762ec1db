//! What `admin.users.list` says of everybody, read page by page as far as it was needed, and kept for ten minutes.

use std::{collections::HashMap, time::Duration};

use actix::Addr;

use crate::{
    actors::slack_client::{SlackClient, access::ListAdministered},
    clock::Instant,
    domain::{RequestId, TeamId, UserId},
    slack::{MemberPage, SlackError},
};

use super::interrupted;

/// How long what was read is believed.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// Where it is known from that somebody is an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// `admin.users.list`.
    List,
    /// `users.info`.
    Info,
}

/// The pages read so far.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// When the first page was asked for; `None` when nothing is known.
    began: Option<Instant>,
    /// Whether each member listed is an administrator.
    listed: HashMap<UserId, bool>,
    next: Next,
}

/// Which page comes next.
#[derive(Debug, Default)]
enum Next {
    #[default]
    First,
    At(String),
    None,
}

impl Roster {
    /// Whether a member is an administrator: reads on until he is found. Who is on no page is none.
    ///
    /// # Errors
    /// As `admin.users.list` fails. What was refused begins anew the next time, what was not answered goes on.
    pub(super) async fn find(
        &mut self,
        user: &UserId,
        slack: &Addr<SlackClient>,
        team: &TeamId,
        request: RequestId,
    ) -> Result<bool, SlackError> {
        if self.began.is_none_or(|began| began.elapsed() >= KEPT) {
            *self = Self { began: Some(Instant::now()), ..Self::default() };
        }
        loop {
            if let Some(is_administrator) = self.listed.get(user) {
                return Ok(*is_administrator);
            }
            let cursor = match &self.next {
                Next::First => None,
                Next::At(cursor) => Some(cursor.clone()),
                Next::None => return Ok(false),
            };
            let list = ListAdministered { team: team.clone(), cursor, request };
            match slack.send(list).await.unwrap_or_else(|_| Err(interrupted())) {
                Ok(page) => self.take_in(page),
                Err(SlackError::MustWait { until, .. }) => tokio::time::sleep_until(until).await,
                Err(error) => {
                    if matches!(error, SlackError::Refused(_) | SlackError::DeadToken(_)) {
                        *self = Self::default();
                    }
                    return Err(error);
                }
            }
        }
    }

    fn take_in(&mut self, page: MemberPage) {
        let rank = |member: crate::slack::Member| (member.id, member.is_administrator && !member.deleted);
        self.listed.extend(page.members.into_iter().map(rank));
        self.next = page.next.map_or(Next::None, Next::At);
    }
}
