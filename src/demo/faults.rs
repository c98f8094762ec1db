//! Faults that a test asks the simulated Slack for. What they are; the transports carry them out.

use std::time::Duration;

use crate::domain::UserId;

/// A fault that waits for its call.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The method it befalls; any, if `None`.
    pub method: Option<String>,
    /// The member it befalls; any, if `None`.
    pub user: Option<UserId>,
    /// How many calls it befalls.
    pub times: usize,
    /// What happens.
    pub effect: Effect,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It is not done, and answered with this HTTP status.
    Status(u16),
    /// It is not done, and answered with this error.
    Error(String),
    /// It is not done, and answered 429 with this `Retry-After`.
    RateLimited(Option<u64>),
    /// It is not done, and answered with this body.
    Garbage(String),
    /// It is done after so long.
    Delay(Duration),
    /// It is done once the test lets it.
    Held,
    /// It is done, but the answer's body takes so long.
    SlowBody(Duration),
    /// It is done, but the answer is lost.
    LostAnswer,
    /// It is not done, and the connection is cut.
    Cut,
    /// It is not done, and never answered.
    Hang,
    /// It is not done, and the transport panics, as one with a bug would. Over HTTP the connection is cut.
    Panic,
}

impl Fault {
    /// Befalls the next so many calls of a method.
    pub fn next(method: &str, times: usize, effect: Effect) -> Self {
        Self { method: Some(method.to_owned()), user: None, times, effect }
    }

    /// Befalls only calls about this member.
    #[must_use]
    pub fn of(mut self, user: &UserId) -> Self {
        self.user = Some(user.clone());
        self
    }

    /// Takes the effect of the first fault that befalls the call.
    pub fn take(faults: &mut Vec<Self>, method: &str, user: Option<&UserId>) -> Option<Effect> {
        let befalls = |fault: &Self| {
            fault.method.as_deref().is_none_or(|it| it == method)
                && fault.user.as_ref().is_none_or(|it| Some(it) == user)
        };
        let place = faults.iter().position(befalls)?;
        let effect = faults[place].effect.clone();
        faults[place].times = faults[place].times.saturating_sub(1);
        if faults[place].times == 0 {
            faults.remove(place);
        }
        Some(effect)
    }
}
