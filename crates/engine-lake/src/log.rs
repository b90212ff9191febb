//! The log of a table: what it says, and commits to it.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Deserialize;
use store_objects::{Condition, ObjectError, ObjectInfo, Objects, PutOptions};

use crate::action::{Action, Metadata, Protocol};
use crate::schema::Field;
use crate::{LakeError, Location, checkpoint, support};

/// The end of the pointer to a checkpoint from which its reader need not list the whole log.
pub(crate) const LAST_CHECKPOINT: &str = "_last_checkpoint";
const OBJECTS_PER_PAGE: usize = 1_000;

/// A table's log, to read and to write.
#[derive(Clone)]
pub(crate) struct Log {
    pub objects: Objects,
    pub location: Location,
}

/// What appending needs to know of a table at one version. The files in it are not kept.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub version: u64,
    /// Which write made the commit, so that a log that somebody began anew is told from this one. `None` where the
    /// commit is gone and a checkpoint stands for it.
    commit: Option<String>,
    pub checkpoint: Option<u64>,
    pub metadata: Metadata,
    pub columns: Vec<Field>,
    /// By application, how far it has come.
    pub transactions: HashMap<String, i64>,
    protocol: Protocol,
}

/// What of the log is there from some version on.
#[derive(Debug, Default)]
struct Listing {
    /// Versions with a classic checkpoint, and commits with the ids of their writes; each in order.
    checkpoints: Vec<u64>,
    commits: Vec<(u64, String)>,
}

impl Log {
    /// The state that the whole log says; `None` where there is none.
    pub(crate) async fn load(&self) -> Result<Option<State>, LakeError> {
        let from = self.last_checkpoint().await?.unwrap_or_default();
        let mut listing = self.list(from).await?;
        if from > 0 && listing.checkpoints.is_empty() {
            listing = self.list(0).await?;
        }
        let checkpoint = listing.checkpoints.last().copied();
        listing
            .commits
            .retain(|(version, _)| checkpoint.is_none_or(|checkpoint| *version >= checkpoint));
        let Some(version) = listing.commits.last().map(|(version, _)| *version).max(checkpoint) else {
            return Ok(None);
        };
        let first = listing.commits.first().map_or(version, |(version, _)| *version);
        if checkpoint.map_or(first > 0, |checkpoint| first > checkpoint + 1) {
            return Err(self.damaged(format!(
                "version {first} is the first, and no checkpoint in one Parquet file stands for those before it"
            )));
        }
        let mut gathered = Gathered::default();
        if let Some(checkpoint) = checkpoint {
            checkpoint::read_state(self, checkpoint, &mut gathered).await?;
        }
        for (version, _) in listing
            .commits
            .iter()
            .filter(|(version, _)| Some(*version) != checkpoint)
        {
            self.read_commit(*version, |action, _| gathered.take(action)).await?;
        }
        self.check_unbroken(&listing.commits)?;
        let commit = listing
            .commits
            .into_iter()
            .next_back()
            .filter(|(last, _)| *last == version);
        let Gathered {
            protocol: Some(protocol),
            metadata: Some(metadata),
            transactions,
        } = gathered
        else {
            return Err(self.damaged("it has no protocol or no metadata".to_owned()));
        };
        let columns = self.columns(&metadata)?;
        self.check_support(&protocol, &metadata, &columns)?;
        Ok(Some(State {
            version,
            commit: commit.map(|(_, id)| id),
            checkpoint,
            metadata,
            columns,
            transactions,
            protocol,
        }))
    }

    /// Brings a state to the end of the log.
    pub(crate) async fn refresh(&self, state: &mut State) -> Result<(), LakeError> {
        let listing = self.list(state.version).await?;
        let (is_same, newer) = match (listing.commits.split_first(), &state.commit) {
            (Some((first, newer)), Some(commit)) => (*first == (state.version, commit.clone()), newer),
            _ => (false, &[][..]),
        };
        if !is_same {
            // The commit was cleaned away, or the table was removed.
            let loaded = self.load().await?;
            *state = loaded.ok_or_else(|| LakeError::Gone(self.location.to_string()))?;
            return Ok(());
        }
        self.check_unbroken(&listing.commits)?;
        let mut gathered = Gathered::default();
        for (version, _) in newer {
            self.read_commit(*version, |action, _| gathered.take(action)).await?;
        }
        let protocol = gathered.protocol.unwrap_or_else(|| state.protocol.clone());
        let metadata = gathered.metadata.unwrap_or_else(|| state.metadata.clone());
        if (&protocol, &metadata) != (&state.protocol, &state.metadata) {
            let columns = self.columns(&metadata)?;
            self.check_support(&protocol, &metadata, &columns)?;
            (state.protocol, state.metadata, state.columns) = (protocol, metadata, columns);
        }
        state.transactions.extend(gathered.transactions);
        state.checkpoint = listing.checkpoints.last().copied().max(state.checkpoint);
        if let Some((version, commit)) = newer.last() {
            (state.version, state.commit) = (*version, Some(commit.clone()));
        }
        Ok(())
    }

    /// Makes `lines` the commit of a version; `None` where there is one already.
    pub(crate) async fn commit(&self, version: u64, lines: String) -> Result<Option<ObjectInfo>, ObjectError> {
        let options = PutOptions {
            condition: Condition::create(),
            ..PutOptions::default()
        };
        let key = self.location.log_key(&format!("{version:020}.json"));
        match self
            .objects
            .put_bytes(&self.location.bucket, &key, Bytes::from(lines), options)
            .await
        {
            Ok(info) => Ok(Some(info)),
            Err(ObjectError::PreconditionFailed(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands each action of a commit to `take`, with its text.
    pub(crate) async fn read_commit(&self, version: u64, mut take: impl FnMut(Action, &str)) -> Result<(), LakeError> {
        let key = self.location.log_key(&format!("{version:020}.json"));
        let bytes = self.objects.get_bytes(&self.location.bucket, &key).await?;
        let wrong = |error: &dyn std::fmt::Display| self.damaged(format!("version {version} cannot be read: {error}"));
        let text = std::str::from_utf8(&bytes).map_err(|error| wrong(&error))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            take(serde_json::from_str(line).map_err(|error| wrong(&error))?, line);
        }
        Ok(())
    }

    /// The version of the checkpoint that `_last_checkpoint` points to. It is a hint only, so it may say anything.
    pub(crate) async fn last_checkpoint(&self) -> Result<Option<u64>, ObjectError> {
        #[derive(Deserialize)]
        struct Hint {
            version: u64,
        }
        match self
            .objects
            .get_bytes(&self.location.bucket, &self.location.log_key(LAST_CHECKPOINT))
            .await
        {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok().map(|hint: Hint| hint.version)),
            Err(ObjectError::NoSuchKey { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn damaged(&self, reason: String) -> LakeError {
        LakeError::Log {
            table: self.location.to_string(),
            reason,
        }
    }

    async fn list(&self, from: u64) -> Result<Listing, ObjectError> {
        let (bucket, prefix) = (&self.location.bucket, self.location.log_key(""));
        let mut listing = Listing::default();
        // A name without its ending stands before all that begin with it.
        let mut after = Some(format!("{prefix}{from:020}"));
        while let Some(start) = after {
            let page = self
                .objects
                .list(bucket, &prefix, Some(&start), OBJECTS_PER_PAGE)
                .await?;
            after = page.next;
            for object in page.objects {
                let (version, ending) = object.key[prefix.len()..].split_once('.').unwrap_or_default();
                match (version.len(), version.parse(), ending) {
                    (20, Ok(version), "json") => listing.commits.push((version, object.id)),
                    (20, Ok(version), "checkpoint.parquet") => listing.checkpoints.push(version),
                    _ => {}
                }
            }
        }
        Ok(listing)
    }

    fn check_unbroken(&self, commits: &[(u64, String)]) -> Result<(), LakeError> {
        match commits.windows(2).find(|pair| pair[0].0 + 1 != pair[1].0) {
            Some(pair) => Err(self.damaged(format!("version {} is missing", pair[0].0 + 1))),
            None => Ok(()),
        }
    }

    fn columns(&self, metadata: &Metadata) -> Result<Vec<Field>, LakeError> {
        let fields = metadata.fields();
        fields.map_err(|error| self.damaged(format!("its schema cannot be read: {error}")))
    }

    fn check_support(&self, protocol: &Protocol, metadata: &Metadata, columns: &[Field]) -> Result<(), LakeError> {
        support::check(protocol, metadata, columns).map_err(|reason| LakeError::Unsupported {
            table: self.location.to_string(),
            reason,
        })
    }
}

impl State {
    /// Goes on by a commit of ours, which changed no metadata.
    pub(crate) fn advance(&mut self, commit: ObjectInfo) {
        self.version += 1;
        self.commit = Some(commit.id);
    }
}

/// The latest of the actions that make up a state.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    protocol: Option<Protocol>,
    metadata: Option<Metadata>,
    transactions: HashMap<String, i64>,
}

impl Gathered {
    pub(crate) fn take(&mut self, action: Action) {
        self.protocol = action.protocol.or(self.protocol.take());
        self.metadata = action.meta_data.or(self.metadata.take());
        self.transactions
            .extend(action.txn.map(|txn| (txn.app_id, txn.version)));
    }
}
