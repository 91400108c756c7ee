//! What happens to the things of an owner: what somebody did, and what became of deployments. Read from what is written down, so
//! that whoever comes back misses nothing of it, whichever factory of the registry it happened in. Of the states of a deployment
//! only the last one is told to who looks late.

use std::{fmt, str::FromStr};

use crate::{
    Caller, Error, Factory,
    registry::{AuditEntry, Deployment, Timestamp},
};

/// Up to where events were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The last line of the audit log.
    deed: String,
    /// The last change of a deployment, and whose of that moment.
    changed: Timestamp,
    server: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody did something, or was refused.
    Deed(AuditEntry),
    /// A deployment is in another state.
    Deployment(Deployment),
}

/// At once, of each kind.
const MOST: u32 = 100;

impl Factory {
    /// From now on.
    #[must_use]
    pub fn events_from_now(&self) -> Told {
        let now = self.registry().now();
        Told { deed: format!("{:012x}", now.0), changed: now, server: String::new() }
    }

    /// What happened since, each with where it leaves off. Empty when there is nothing new.
    pub async fn events(&self, caller: &Caller, since: &Told) -> Result<Vec<(Told, Event)>, Error> {
        let since = since.clone();
        self.look(caller, move |transaction, owner| {
            let deeds = transaction.audited_since(owner, &since.deed, MOST)?;
            let changed = transaction.deployments_since(owner, since.changed, &since.server, MOST)?;
            let (mut told, mut events) = (since.clone(), Vec::with_capacity(deeds.len() + changed.len()));
            for deed in deeds {
                told.deed.clone_from(&deed.id);
                events.push((told.clone(), Event::Deed(deed)));
            }
            for deployment in changed {
                told.changed = deployment.updated;
                told.server.clone_from(&deployment.server);
                events.push((told.clone(), Event::Deployment(deployment)));
            }
            Ok(events)
        })
        .await
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:x}.{}", self.deed, self.changed.0, self.server)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no id of an event; send the last one that came, or none")]
pub struct ToldError;

impl FromStr for Told {
    type Err = ToldError;

    fn from_str(text: &str) -> Result<Self, ToldError> {
        let mut parts = text.splitn(3, '.');
        let (Some(deed), Some(changed), Some(server)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ToldError);
        };
        let is_deed = (12..=28).contains(&deed.len()) && deed.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_server =
            server.len() <= 255 && server.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let changed = i64::from_str_radix(changed, 16).ok().filter(|changed| *changed >= 0).ok_or(ToldError)?;
        if !is_deed || !is_server {
            return Err(ToldError);
        }
        Ok(Self { deed: deed.to_ascii_lowercase(), changed: Timestamp(changed), server: server.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_where_it_was_told() {
        for text in ["0199a3c4d5e600000112345678ab.199a3c4d5e6.my-shop", "0199a3c4d5e6.0."] {
            assert_eq!(text.parse::<Told>().map(|told| told.to_string()).as_deref(), Ok(text));
        }
        for text in
            ["", "0", "0.0.0", "0199a3c4d5e6.-1.", "0199a3c4d5e6.x.", "0199a3c4d5e6.0.a'b", "~.0.a", "0199a3c4d5e6.0"]
        {
            assert_eq!(text.parse::<Told>(), Err(ToldError), "{text}");
        }
    }
}
