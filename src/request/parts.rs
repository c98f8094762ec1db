//! The two parts of a profile: how each is set, and what follows from how that went.

use slog::{debug, error, info, warn};

use crate::{
    actors::{
        chronicler::{Ending, Happened},
        reconciler::{FIRST_LOOK_AFTER_FAILURE, Intend},
        slack_client::{SetName, SetPhoto},
        storage_helper::{GetPicture, PictureError, RemoveToken, Which},
    },
    applied::{Change, Ended, How, Record, Sent, Tokens, Wanted},
    clock::Instant,
    config::NameField,
    domain::{Part, Preset},
    logging::escape,
    metrics::Count,
    slack::{Profile, SlackError, Token},
};

use super::{Keyring, LIMITED_AT_MOST, Life, TRIES, interrupted};

/// How one try of a part went.
pub(super) enum Outcome {
    /// It ended so before, for this wish and these tokens.
    Stands,
    /// It is as the preset says; `sent` tells whether this try did it.
    Applied { sent: bool },
    /// No token may do it.
    Skipped,
    /// No for good.
    Refused { why: String, todo: &'static str },
    /// Slack says that others' names cannot be set on this plan.
    NoPaidPlan,
    /// The token is dead.
    Dead { token: Option<Token>, code: String },
    /// Another try may do.
    Stumbled(String),
    /// A limit stands before it.
    Wait { until: Instant, slack_said: bool },
    /// Nothing is called at present; a pass follows when that is over.
    Suspended,
}

impl Outcome {
    /// What a failed call means for a part.
    pub(super) fn of_error(error: &SlackError) -> Self {
        match error {
            SlackError::MustWait { until, slack_said } => {
                Self::Wait { until: *until, slack_said: *slack_said }
            }
            SlackError::Suspended => Self::Suspended,
            SlackError::DeadToken(code) => Self::Dead { token: None, code: code.clone() },
            SlackError::Refused(code) => Self::Refused { why: code.clone(), todo: advice(code) },
            SlackError::Unavailable(why) => Self::Stumbled(why.clone()),
        }
    }

    /// What it means for the picture that its file could not be had.
    fn of_picture(error: &PictureError) -> Self {
        let todo = match error {
            PictureError::Store(error) => return Self::Stumbled(error.to_string()),
            PictureError::NotHis => "upload the picture for this member, and give the preset its link",
            PictureError::Missing | PictureError::Damaged(_) => {
                "upload the picture again, and give the preset its link"
            }
        };
        Self::Refused { why: error.to_string(), todo }
    }

    fn with_token(self, used: &Token) -> Self {
        match self {
            Self::Dead { code, .. } => Self::Dead { token: Some(used.clone()), code },
            other => other,
        }
    }
}

/// What Slack answers when an administrator sets another's name without a paid plan
/// (<https://docs.slack.dev/reference/methods/users.profile.set>; `invalid_user` was observed).
const NO_PAID_PLAN: [&str; 4] = ["invalid_user", "paid_only", "paid_teams_only", "not_paid"];

impl Life {
    pub(super) async fn outcome(
        &self,
        part: Part,
        profile: &Profile,
        preset: &Preset,
        record: &Record,
        keyring: &Keyring,
    ) -> Outcome {
        let Some(wanted) = &Wanted::of(preset, part) else { return Outcome::Stands };
        if record.stands(part, wanted, &keyring.all(part)) {
            return Outcome::Stands;
        }
        match part {
            Part::Name => self.name(preset.name.as_deref().unwrap_or_default(), profile, keyring).await,
            // That a hash is ours may only be guessed, so it is not noted as such: the guess ends with the status.
            Part::Picture if record.has_picture(wanted, profile) => Outcome::Applied { sent: false },
            Part::Picture => {
                let link = preset.picture.as_deref().unwrap_or_default();
                self.picture(link, wanted, profile, keyring).await
            }
        }
    }

    async fn name(&self, name: &str, profile: &Profile, keyring: &Keyring) -> Outcome {
        let (shown, longest) = match self.world.name_field {
            NameField::DisplayName => (&profile.display_name, 80),
            NameField::RealName => (&profile.real_name, 50),
        };
        if shown == name {
            return Outcome::Applied { sent: false };
        }
        if name.is_empty() || name.chars().count() > longest {
            return Outcome::Refused {
                why: format!("the preset's name is empty or longer than {longest} characters"),
                todo: A_NAME_THAT_SLACK_ALLOWS,
            };
        }
        let Some(token) = keyring.token(Part::Name) else { return Outcome::Skipped };
        if let Err(outcome) = self.intend(Change::Opened(Part::Name)).await {
            return outcome;
        }
        let set = SetName {
            user: self.request.user.clone(),
            name: name.to_owned(),
            field: self.world.name_field,
            token: token.clone(),
            caller: self.request.caller(),
        };
        match self.world.slack.send(set).await.unwrap_or_else(|_| Err(interrupted())) {
            Ok(()) => Outcome::Applied { sent: true },
            Err(SlackError::Refused(code)) if keyring.is_admins(token) && NO_PAID_PLAN.contains(&&*code) => {
                Outcome::NoPaidPlan
            }
            Err(error) => Outcome::of_error(&error).with_token(token),
        }
    }

    async fn picture(&self, link: &str, wanted: &Wanted, profile: &Profile, keyring: &Keyring) -> Outcome {
        let Some(token) = keyring.token(Part::Picture) else { return Outcome::Skipped };
        let get = GetPicture { user: self.request.user.clone(), link: link.to_owned() };
        let picture = match self.world.storage.send(get).await {
            Ok(Ok(picture)) => picture,
            Ok(Err(error)) => return Outcome::of_picture(&error),
            Err(_) => return Outcome::Stumbled("the read was interrupted by a restart".into()),
        };
        let sending = match profile.avatar_hash.clone() {
            Some(over) => Change::Sending(Sent { wanted: wanted.clone(), over }),
            None => Change::Opened(Part::Picture),
        };
        if let Err(outcome) = self.intend(sending).await {
            return outcome;
        }
        let (user, caller) = (self.request.user.clone(), self.request.caller());
        let set = SetPhoto { user, token: token.clone(), picture, caller };
        match self.world.slack.send(set).await.unwrap_or_else(|_| Err(interrupted())) {
            Ok(hash) => {
                self.remember(Change::Took(wanted.clone(), hash));
                Outcome::Applied { sent: true }
            }
            Err(error) => {
                if !matches!(error, SlackError::Unavailable(_)) {
                    self.remember(Change::NotSent);
                }
                Outcome::of_error(&error).with_token(token)
            }
        }
    }

    /// Has it noted durably that a part is about to be set; `Err` is how the try ends if it shall not be.
    async fn intend(&self, change: Change) -> Result<(), Outcome> {
        let intend = Intend { user: self.request.user.clone(), change };
        match self.world.reconciler.send(intend).await {
            Ok(Ok(())) if self.is_over() => Err(Outcome::Suspended),
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Outcome::Stumbled(error.to_string())),
            Err(_) => Err(Outcome::Stumbled("the writing was interrupted by a restart".into())),
        }
    }

    /// Notes how a try went, with the tokens that it had if it got so far; answers when to try again, if so.
    pub(super) async fn settle(
        &self,
        part: Part,
        wanted: &Wanted,
        outcome: Outcome,
        tokens: Option<Tokens>,
    ) -> Option<Instant> {
        match outcome {
            Outcome::Wait { until, slack_said } => return self.wait(part, wanted, until, slack_said).await,
            Outcome::Stumbled(why) => return self.stumbled(part, wanted, &why).await,
            Outcome::Dead { token, code } => return self.dead_token(part, wanted, token, &code).await,
            Outcome::Suspended => {}
            Outcome::Stands => {
                self.count(Count::PartStands);
                debug!(self.log, "part stands as it ended"; "part" => part);
            }
            Outcome::Applied { sent } => self.applied(part, wanted, sent),
            Outcome::Skipped => self.skipped(part, wanted, tokens).await,
            Outcome::Refused { why, todo } => self.refused(part, wanted, &why, todo, tokens).await,
            Outcome::NoPaidPlan => {
                self.count(Count::PartNoPaidPlan);
                self.no_paid_plan();
                self.end(part, wanted, How::Refused(self.tokens(part, tokens).await));
                let why = "SLACK_ADMIN_TOKEN may not set others' names on this plan; he authorises the app";
                self.tell(part, Ending::Refused, Some(why.to_owned()));
            }
        }
        self.progress.borrow_mut().part(part).ended = true;
        None
    }

    fn applied(&self, part: Part, wanted: &Wanted, sent: bool) {
        self.end(part, wanted, How::Applied);
        if sent {
            self.count(Count::PartApplied);
            info!(self.log, "part applied"; "part" => part);
            self.tell(part, Ending::Applied, None);
        } else {
            self.count(Count::PartAlreadySo);
            debug!(self.log, "part already so"; "part" => part);
        }
    }

    fn end(&self, part: Part, wanted: &Wanted, how: How) {
        self.remember(Change::Ended(part, Ended { wanted: wanted.clone(), how }));
    }

    fn tell(&self, part: Part, ending: Ending, why: Option<String>) {
        let (request, user) = (self.request.id, self.request.user.clone());
        self.world.on_ended.do_send(Happened { request, user, part, ending, why });
    }

    /// The tokens that a try had; without a try, those that there are.
    async fn tokens(&self, part: Part, had: Option<Tokens>) -> Tokens {
        if let Some(had) = had {
            return had;
        }
        let record = self.recall().await;
        self.keyring(&record).await.map(|keyring| keyring.all(part)).unwrap_or_default()
    }

    async fn skipped(&self, part: Part, wanted: &Wanted, tokens: Option<Tokens>) {
        self.end(part, wanted, How::Skipped(self.tokens(part, tokens).await));
        let (count, todo) = match &self.world.install_link {
            Some(link) => (Count::PartNotAuthorised, format!("he opens {link} and allows it")),
            None => {
                let todo = "set SLACK_CLIENT_ID and SLACK_CLIENT_SECRET, so that members can authorise";
                (Count::PartNoClient, todo.to_owned())
            }
        };
        self.count(count);
        warn!(self.log, "part skipped: the member has not authorised the app"; "part" => part, "todo" => todo.clone());
        self.tell(part, Ending::Skipped, Some(format!("he has not authorised the app; {todo}")));
    }

    async fn refused(
        &self,
        part: Part,
        wanted: &Wanted,
        why: &str,
        todo: &'static str,
        tokens: Option<Tokens>,
    ) {
        self.end(part, wanted, How::Refused(self.tokens(part, tokens).await));
        self.count(Count::PartRefused);
        warn!(self.log, "part refused"; "part" => part, "error" => escape(why), "todo" => todo);
        self.tell(part, Ending::Refused, Some(format!("{}; {todo}", escape(why))));
    }

    async fn wait(&self, part: Part, wanted: &Wanted, until: Instant, slack_said: bool) -> Option<Instant> {
        if !slack_said {
            return Some(until);
        }
        let since = *self.progress.borrow_mut().limited_since.get_or_insert_with(Instant::now);
        if since.elapsed() < LIMITED_AT_MOST {
            return Some(until);
        }
        self.fail(part, wanted, "ratelimited for 15 minutes").await;
        None
    }

    async fn stumbled(&self, part: Part, wanted: &Wanted, why: &str) -> Option<Instant> {
        let tries = {
            let mut progress = self.progress.borrow_mut();
            let part = progress.part(part);
            part.tries += 1;
            part.tries
        };
        if tries < TRIES {
            self.count(Count::PartRetried);
            debug!(self.log, "part not done, tried again soon"; "part" => part, "error" => escape(why), "tries" => tries);
            return Some(Instant::now() + Self::backoff(tries));
        }
        self.fail(part, wanted, why).await;
        None
    }

    async fn fail(&self, part: Part, wanted: &Wanted, why: &str) {
        let times = self.recall().await.failures(part, wanted) + 1;
        self.end(part, wanted, How::Failed(times));
        self.count(Count::PartFailed);
        self.progress.borrow_mut().part(part).ended = true;
        error!(self.log, "part failed"; "part" => part, "error" => escape(why), "failures" => times,
            "todo" => format!("nothing yet: he is looked at again, first after {} s", FIRST_LOOK_AFTER_FAILURE.as_secs()));
        self.tell(part, Ending::Failed, Some(format!("{}; he is looked at again by itself", escape(why))));
    }

    /// A dead token of the member's leaves the vault; then the next token, or none, has its turn.
    async fn dead_token(
        &self,
        part: Part,
        wanted: &Wanted,
        token: Option<Token>,
        code: &str,
    ) -> Option<Instant> {
        // Without a token named it was the bot's: `SlackClient` deals with that.
        let token = token?;
        let which = Which::This(token.fingerprint());
        let removed = self.world.storage.send(RemoveToken { user: self.request.user.clone(), which }).await;
        match removed {
            Ok(Ok(true)) => {
                self.count(Count::TokenDead);
                warn!(self.log, "the member's token is dead and was removed"; "error" => escape(code),
                    "todo" => "he authorises again");
                if code == "token_revoked" {
                    self.remember(Change::Withdrew);
                }
                Some(Instant::now())
            }
            Ok(Ok(false)) => self.stumbled(part, wanted, code).await,
            Ok(Err(error)) => self.stumbled(part, wanted, &error.to_string()).await,
            Err(_) => self.stumbled(part, wanted, "the removal was interrupted by a restart").await,
        }
    }
}

const A_NAME_THAT_SLACK_ALLOWS: &str = "give the preset a name that slack allows";

/// What to do about a refusal of Slack's.
fn advice(code: &str) -> &'static str {
    match code {
        "missing_scope" => "the member authorises again: the token lacks users.profile:write",
        "not_admin" | "cannot_update_admin_user" | "permission_denied" | "not_app_admin" => {
            "the member authorises the app, or SLACK_ADMIN_TOKEN is an owner's"
        }
        "name_not_allowed" | "invalid_starts_with_at" | "reserved_name" | "too_long" | "invalid_profile" => {
            A_NAME_THAT_SLACK_ALLOWS
        }
        "bad_image" | "too_large" | "too_many_frames" => "upload the picture again",
        "user_not_found" | "user_not_visible" => "remove the member's presets if he has left",
        _ => {
            "see the error's name in slack's documentation; it is tried again when status, preset or token change"
        }
    }
}
