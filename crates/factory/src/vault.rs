//! Secrets of owners: sealed in the registry and in memory, opened for the one call that needs one.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
};

use mcp_factory_connect::{Secret, SecretError, Secrets, Subject};
use zeroize::Zeroizing;

use crate::{
    Operator, Owner,
    key::SealingKeys,
    registry::{Error, Registry, SealedKey, SealedSecret, Transaction},
};

/// The context of what is no owner's: no owner has such a name.
const FACTORY: &str = "(factory)";

/// Seals and opens, and keeps what is in use the same as what is written down.
pub struct Vault {
    registry: Registry,
    keys: Arc<SealingKeys>,
    /// Of the owners whose servers are there.
    held: Mutex<HashMap<Owner, Weak<Held>>>,
    /// When it was last looked after.
    state: Mutex<(i64, i64)>,
}

/// One owner's secrets, still sealed.
struct Held {
    owner: Owner,
    keys: Arc<SealingKeys>,
    /// By subject and name.
    sealed: RwLock<BTreeMap<(String, String), SealedSecret>>,
}

/// What a spec of one owner can read: that owner's store, or that of one of their callers, and no other. Nothing here reads
/// the environment of the process.
#[derive(Clone)]
pub struct OwnerSecrets {
    held: Arc<Held>,
    subject: Option<Subject>,
}

impl Vault {
    pub fn new(registry: Registry, keys: SealingKeys) -> Self {
        Self { registry, keys: Arc::new(keys), held: Mutex::default(), state: Mutex::default() }
    }

    pub fn seal(&self, owner: &Owner, subject: Option<&Subject>, name: &str, value: &str) -> SealedSecret {
        let subject = written(subject);
        let sealed = self.keys.seal(&[owner.as_str(), &subject, name], value);
        SealedSecret { subject, name: name.to_owned(), key: self.keys.id().to_owned(), sealed }
    }

    /// What changes later is seen by those who hold this.
    pub async fn secrets_of(&self, owner: &Owner) -> Result<OwnerSecrets, Error> {
        if let Some(held) = self.known(owner) {
            return Ok(OwnerSecrets { held, subject: None });
        }
        let sealed = self.read(owner).await?;
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, held| held.strong_count() > 0);
        if let Some(held) = all.get(owner).and_then(Weak::upgrade) {
            return Ok(OwnerSecrets { held, subject: None });
        }
        let held = Arc::new(Held { owner: owner.clone(), keys: self.keys.clone(), sealed: RwLock::new(sealed) });
        all.insert(owner.clone(), Arc::downgrade(&held));
        Ok(OwnerSecrets { held, subject: None })
    }

    /// What is in use becomes what is written down.
    pub async fn refresh(&self, owner: &Owner) -> Result<(), Error> {
        let Some(held) = self.known(owner) else { return Ok(()) };
        let sealed = self.read(owner).await?;
        *held.sealed.write().unwrap_or_else(PoisonError::into_inner) = sealed;
        Ok(())
    }

    /// What other processes set or removed.
    pub async fn follow(&self, operator: Operator) -> Result<(), Error> {
        let owners: Vec<Owner> = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.retain(|_, held| held.strong_count() > 0);
            held.keys().cloned().collect()
        };
        if owners.is_empty() {
            return Ok(());
        }
        let state = self.registry.read(move |transaction| transaction.state_of_secrets(operator)).await?;
        if *self.state.lock().unwrap_or_else(PoisonError::into_inner) == state {
            return Ok(());
        }
        for owner in owners {
            self.refresh(&owner).await?;
        }
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(())
    }

    /// One of the factory's own keys, made when it is first asked for. `None` when no secret that is known here opens it.
    pub async fn factory_key(
        &self,
        operator: Operator,
        name: &'static str,
    ) -> Result<Option<Zeroizing<String>>, Error> {
        let keys = self.keys.clone();
        self.registry
            .write(move |transaction| {
                let known = |transaction: &mut Transaction<'_>| {
                    let all = transaction.factory_keys(operator)?;
                    Ok::<_, Error>(all.into_iter().find(|key| key.name == name))
                };
                if known(transaction)?.is_none() {
                    let sealed = keys.seal(&[FACTORY, name], &keys.random());
                    let new = SealedKey { name: name.to_owned(), key: keys.id().to_owned(), sealed };
                    transaction.add_factory_key(operator, &new)?;
                }
                let key = known(transaction)?.ok_or(Error::Content)?;
                Ok(keys.open(&key.key, &[FACTORY, name], &key.sealed))
            })
            .await
    }

    fn known(&self, owner: &Owner) -> Option<Arc<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get(owner).and_then(Weak::upgrade)
    }

    async fn read(&self, owner: &Owner) -> Result<BTreeMap<(String, String), SealedSecret>, Error> {
        let owner = owner.clone();
        let sealed: Vec<SealedSecret> = self.registry.read(move |it| it.sealed_secrets(&owner)).await?;
        Ok(sealed.into_iter().map(|secret| ((secret.subject.clone(), secret.name.clone()), secret)).collect())
    }

    /// Seals everything with the key that is in use now. Returns how many were, and how many no key opens.
    pub async fn reseal(&self, operator: Operator) -> Result<(u32, u32), Error> {
        let keys = self.keys.clone();
        self.registry
            .write(move |transaction| {
                let (mut done, mut lost) = (0, 0);
                for key in transaction.factory_keys(operator)?.into_iter().filter(|key| key.key != keys.id()) {
                    let context = [FACTORY, &key.name];
                    match keys.open(&key.key, &context, &key.sealed) {
                        Some(value) => {
                            let sealed = keys.seal(&context, &value);
                            let resealed = SealedKey { key: keys.id().to_owned(), sealed, name: key.name.clone() };
                            transaction.reseal_factory_key(operator, &resealed)?;
                            done += 1;
                        }
                        None => lost += 1,
                    }
                }
                for (owner, secret) in transaction.secrets_of_other_keys(operator, keys.id(), u32::MAX)? {
                    let context = [owner.as_str(), &secret.subject, &secret.name];
                    match keys.open(&secret.key, &context, &secret.sealed) {
                        Some(value) => {
                            let sealed = keys.seal(&context, &value);
                            let key = keys.id().to_owned();
                            transaction.put_secret(&owner, &SealedSecret { key, sealed, ..secret.clone() })?;
                            done += 1;
                        }
                        None => lost += 1,
                    }
                }
                Ok((done, lost))
            })
            .await
    }
}

impl Secrets for OwnerSecrets {
    fn get(&self, name: &str) -> Result<Secret, SecretError> {
        let subject = written(self.subject.as_ref());
        let sealed = self.held.sealed.read().unwrap_or_else(PoisonError::into_inner);
        let name = name.to_owned();
        let Some(secret) = sealed.get(&(subject, name.clone())) else {
            return Err(match &self.subject {
                None => SecretError::Missing { name },
                Some(subject) => SecretError::MissingOf { name, subject: subject.clone() },
            });
        };
        let context = [self.held.owner.as_str(), &secret.subject, &name];
        let opened = self.held.keys.open(&secret.key, &context, &secret.sealed);
        opened.map(|value| Secret::new(value.as_str())).ok_or(SecretError::Sealed { name })
    }

    fn of(&self, subject: &Subject) -> Result<Arc<dyn Secrets>, SecretError> {
        Ok(Arc::new(Self { held: self.held.clone(), subject: Some(subject.clone()) }))
    }
}

/// As the registry names a subject.
pub fn written(subject: Option<&Subject>) -> String {
    match subject {
        None => String::new(),
        Some(Subject::Principal(id)) => format!("principal:{id}"),
        Some(Subject::Tenant(id)) => format!("tenant:{id}"),
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnerSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerSecrets").field("owner", &self.held.owner).finish_non_exhaustive()
    }
}
