//! A delivery stream at work: read, route, buffer, write, move the checkpoint.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use base::Millis;
use engine_log::streams::{Kind, StreamId};
use engine_log::{Partition, Record};

use crate::DeliveryParts;
use crate::buffers::{Buffer, BufferKey, Buffers, Held, Room};
use crate::checkpoint::{self, InForce, Plan, Progress, Step, StreamPlan};
use crate::compactions::Compactions;
use crate::deliveries::source_of;
use crate::http_endpoint;
use crate::places::Places;
use crate::settings::{Routed, Settings};
use crate::spec::{Delivery, Destination, Role, Source};
use crate::spill::Spill;
use crate::worker::{Commons, Shared};
use crate::write::{Todo, Write};

/// What is read of a partition at once.
const READ_BYTES: usize = 4 << 20;
const READ_RECORDS: usize = 10_000;
/// Buffers that are planned and committed together.
const BUFFERS_AT_ONCE: usize = 64;
/// Partitions that may be active at once; beyond them the oldest buffers are written early.
const BUFFERS_MAX: usize = 10_000;
/// The first and the longest pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The source is looked at so often even when nothing happens, because it may have got new shards.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What becomes of one round of reading.
enum Round {
    /// There may be more at once.
    Read,
    /// Everything is read.
    Idle,
}

pub(crate) struct Line {
    pub parts: DeliveryParts,
    pub delivery: Arc<Delivery>,
    role: Role,
    /// Under which progress is kept.
    uid: String,
    pub shared: Arc<Shared>,
    /// The settings that records are routed by. Objects are written by them too, unless that fails and newer ones
    /// are there.
    settings: Arc<Settings>,
    room: Room,
    /// By partition, where reading goes on.
    cursors: HashMap<u64, u64>,
    low: HashMap<u64, u64>,
    /// By buffer key and partition, what is delivered above the low mark.
    ahead: HashMap<(String, u64), u64>,
    buffers: Buffers,
    spill: Spill,
    pub places: Places,
    pub compactions: Compactions,
    /// For HTTP endpoints.
    pub http: Result<reqwest::Client, String>,
    /// What is wrong though the work goes on.
    trouble: Option<String>,
    /// Why the destination took nothing the last time, where records went to the bucket instead.
    refused: Option<String>,
}

impl Line {
    pub(crate) fn new(
        parts: &DeliveryParts,
        commons: &Commons,
        delivery: &Arc<Delivery>,
        role: Role,
        shared: &Arc<Shared>,
        progress: &Progress,
    ) -> Self {
        let in_force = progress.in_force.clone().unwrap_or_else(|| in_force(role, delivery));
        let settings = Settings::new(delivery, in_force);
        Self {
            buffers: Buffers::new(commons.room.clone(), settings.delimiter_bytes()),
            spill: Spill::new(parts.spill.clone()),
            places: Places::new(parts.objects.clone(), parts.remote_buckets.clone()),
            settings: Arc::new(settings),
            cursors: HashMap::new(),
            low: progress.low.clone(),
            ahead: progress.ahead.clone(),
            room: commons.room.clone(),
            http: http_endpoint::client().map_err(text),
            trouble: None,
            refused: None,
            compactions: commons.compactions.clone(),
            delivery: delivery.clone(),
            role,
            uid: role.uid(&delivery.uid),
            parts: parts.clone(),
            shared: shared.clone(),
        }
    }

    pub(crate) async fn run(&mut self, plans: Vec<(String, Plan)>) {
        let mut pause = PAUSE;
        let mut plans = plans;
        self.note_cursors(&self.partitions());
        while !self.shared.stop.is_cancelled() {
            let outcome = match plans.is_empty() {
                false => self.redo(&mut plans).await.map(|()| Round::Read),
                true => self.round().await,
            };
            match outcome {
                Ok(round) => {
                    pause = PAUSE;
                    self.shared.figures.lock().last_error = self.trouble.clone().or(self.refused.clone());
                    if matches!(round, Round::Idle) {
                        self.wait().await;
                    }
                }
                Err(error) => self.rest(error, &mut pause).await,
            }
        }
    }

    /// Pauses after a failure, longer each time, and until new settings come at most.
    async fn rest(&self, error: String, pause: &mut Duration) {
        let delivery = &self.delivery.name;
        tracing::warn!(delivery, error, "a delivery failed and is tried again");
        self.shared.note_failure(error);
        tokio::select! {
            () = self.parts.clock.sleep(*pause) => {}
            () = self.shared.changed.notified() => {}
            () = self.shared.stop.cancelled() => {}
        }
        *pause = (*pause * 2).min(PAUSE_MAX);
    }

    /// Reads what there is, once around all partitions, and writes what is due.
    async fn round(&mut self) -> Result<Round, String> {
        self.take_up_settings().await?;
        let partitions = self.partitions();
        let mut found = false;
        let mut unread = None;
        let waiting = self.waiting_for_parents();
        for partition in partitions.iter().filter(|partition| !waiting.contains(&partition.id())) {
            if self.room.is_full() && !self.buffers.is_empty() {
                break;
            }
            match self.read(partition, u64::MAX).await {
                Ok(more) => found |= more,
                // The others' records go on.
                Err(error) => unread = unread.or(Some(error)),
            }
        }
        self.look_for_lost_records(&partitions);
        self.note_cursors(&partitions);
        self.write_due(!found).await?;
        self.note_figures();
        if let Some(error) = unread {
            return Err(error);
        }
        Ok(if found { Round::Read } else { Round::Idle })
    }

    /// A mark above a partition's end means that the log lost records, or that it is another log: what arrives is
    /// passed over until its offsets are above the mark.
    fn look_for_lost_records(&mut self, partitions: &[Partition]) {
        let lost = partitions.iter().find_map(|partition| {
            let (mark, end) = (self.low.get(&partition.id()).copied()?, partition.end_offset());
            (mark > end).then(|| {
                format!(
                    "partition {} ends at {end}, below the mark {mark} up to which it is delivered; new records \
                     below the mark are not delivered",
                    partition.id()
                )
            })
        });
        if let Some(trouble) = lost.as_ref().filter(|_| self.trouble.is_none()) {
            tracing::error!(
                delivery = self.delivery.name,
                trouble,
                "a delivery stream's source lost records"
            );
        }
        self.trouble = lost;
    }

    fn wanted(&self) -> Arc<Delivery> {
        self.shared.wanted.lock().clone()
    }

    /// Delivers by the old settings what was begun by them, before new ones come into force. The marks above the low
    /// mark are by buffer keys of the old settings, so everything up to the highest of them is still theirs.
    async fn take_up_settings(&mut self) -> Result<(), String> {
        let wanted = self.wanted();
        if wanted.version == self.settings.version() {
            return Ok(());
        }
        let mut marks = HashMap::new();
        for ((_, partition), mark) in &self.ahead {
            let highest = marks.entry(*partition).or_insert(*mark);
            *highest = (*highest).max(*mark);
        }
        for partition in self.partitions() {
            let Some(mark) = marks.get(&partition.id()) else {
                continue;
            };
            while self.cursor(partition.id()) < *mark && self.read(&partition, *mark).await? {
                self.write_due(false).await?;
            }
        }
        while !self.buffers.is_empty() {
            self.write(self.buffers.oldest(BUFFERS_AT_ONCE)).await?;
        }
        let mut low = self.low.clone();
        low.extend(self.cursors.iter().map(|(partition, cursor)| (*partition, *cursor)));
        let in_force = in_force(self.role, &wanted);
        let step = Step {
            low: low.iter().map(|(partition, mark)| (*partition, *mark)).collect(),
            ahead_past: self.ahead.keys().cloned().collect(),
            in_force: Some(in_force.clone()),
            ..Step::default()
        };
        self.save(step).await?;
        (self.low, self.ahead) = (low, HashMap::new());
        self.settings = Arc::new(Settings::new(&self.delivery, in_force));
        self.buffers = Buffers::new(self.room.clone(), self.settings.delimiter_bytes());
        Ok(())
    }

    fn partitions(&self) -> Vec<Partition> {
        self.parts
            .streams
            .get(&source_of(&self.delivery, &self.settings.spec().source))
            .map(|stream| stream.partitions().to_vec())
            .unwrap_or_default()
    }

    /// The partitions of shards that are not read before their parents are: where records go to a data stream, those of
    /// one key stay in order.
    fn waiting_for_parents(&self) -> HashSet<u64> {
        let (Source::Stream { scope, name }, Destination::Stream(_)) =
            (&self.settings.spec().source, &self.settings.spec().destination)
        else {
            return HashSet::new();
        };
        let stream = self.parts.streams.get(&StreamId::new(Kind::Data, scope, name.clone()));
        let shards = stream.as_ref().map(|stream| &stream.shards[..]).unwrap_or_default();
        let is_unread = |number: &u32| {
            let parent = shards.iter().find(|shard| shard.number == *number);
            parent.is_some_and(|parent| {
                let end = parent.closed.as_ref().map(|closed| closed.end_offset);
                end.is_none_or(|end| self.cursor(parent.partition) < end)
            })
        };
        let waiting = shards.iter().filter(|shard| shard.parents.iter().any(is_unread));
        waiting.map(|shard| shard.partition).collect()
    }

    fn cursor(&self, partition: u64) -> u64 {
        let low = || self.low.get(&partition).copied().unwrap_or(0);
        self.cursors.get(&partition).copied().unwrap_or_else(low)
    }

    /// Reads once from a partition what is below `below`; tells whether there was anything.
    async fn read(&mut self, partition: &Partition, below: u64) -> Result<bool, String> {
        let id = partition.id();
        let from = self.cursor(id);
        let log = self.parts.streams.log();
        let mut read = log
            .read(partition, from, READ_BYTES, READ_RECORDS)
            .await
            .map_err(text)?;
        let found = !read.records.is_empty();
        self.look_for_gaps(id, from, read.next_offset, read.records.len() as u64);
        read.records.retain(|record| record.offset < below);
        let now_ms = self.parts.clock.now_ms();
        for Routed { key, piece } in self.route(read.records).await? {
            if !self.is_delivered(&key, id, piece.offset) {
                self.buffers.push(key, id, piece.held(), now_ms);
            }
        }
        self.cursors.insert(id, read.next_offset.min(below).max(from));
        Ok(found)
    }

    /// Tells of records that the source does not have any more. Offsets follow each other.
    fn look_for_gaps(&self, partition: u64, from: u64, to: u64, records: u64) {
        let lost = to.saturating_sub(from).saturating_sub(records);
        if lost > 0 {
            let delivery = &self.delivery.name;
            tracing::error!(
                delivery,
                partition,
                from,
                to,
                lost,
                "records are past their retention, or damaged, and are not delivered"
            );
            self.shared.figures.lock().lost_records += lost;
        }
    }

    /// The pieces of a page of records and their buffer keys.
    async fn route(&self, records: Vec<Record>) -> Result<Vec<Routed>, String> {
        let settings = self.settings.clone();
        let stop = self.shared.stop.clone();
        let work = move || settings.route(records, &stop);
        let routed = if self.settings.is_laborious() {
            self.parts.tasks.spawn_blocking(work).await.map_err(text)?
        } else {
            work()
        };
        routed.ok_or_else(|| "the delivery stops".to_owned())
    }

    fn is_delivered(&self, key: &BufferKey, partition: u64, offset: u64) -> bool {
        if self.ahead.is_empty() {
            return false;
        }
        self.ahead
            .get(&(key.to_text(), partition))
            .is_some_and(|mark| offset < *mark)
    }

    /// Writes buffers that are full or old. `all_read` tells that nothing more is there at the moment: a buffer
    /// that need not wait at all is not cut in the middle of what can be read.
    async fn write_due(&mut self, all_read: bool) -> Result<(), String> {
        let (bytes, interval_ms) = (
            self.settings.spec().buffer_bytes,
            self.settings.spec().buffer_interval_ms,
        );
        let interval_ms = if interval_ms == 0 && !all_read {
            Millis::MAX / 2
        } else {
            interval_ms
        };
        loop {
            let now_ms = self.parts.clock.now_ms();
            let mut due = self.buffers.due(bytes, interval_ms, now_ms, BUFFERS_AT_ONCE);
            if due.is_empty() && self.buffers.len() > BUFFERS_MAX {
                due = self.buffers.oldest(BUFFERS_AT_ONCE);
            }
            if due.is_empty() && self.room.is_full() && !self.spill().await? {
                due.extend(self.buffers.largest());
            }
            if due.is_empty() {
                return Ok(());
            }
            self.write(due).await?;
        }
    }

    /// Moves what waits out of memory; tells whether that could be done.
    async fn spill(&mut self) -> Result<bool, String> {
        let empty = Buffers::new(self.room.clone(), self.settings.delimiter_bytes());
        let mut buffers = std::mem::replace(&mut self.buffers, empty);
        let mut spill = self.spill.clone();
        let work = self.parts.tasks.spawn_blocking(move || {
            let spilled = buffers.spill(&mut spill);
            (buffers, spill, spilled)
        });
        let spilled = match work.await {
            Ok((buffers, spill, spilled)) => {
                (self.buffers, self.spill) = (buffers, spill);
                spilled
            }
            Err(error) => {
                // The buffers are lost with the work, so what was in them is read again.
                self.cursors.clear();
                return Err(text(error));
            }
        };
        if let Err(error) = &spilled {
            tracing::warn!(delivery = self.delivery.name, %error, "records could not be spilled; they are written early");
        }
        Ok(spilled.is_ok())
    }

    /// Plans, writes and commits buffers.
    async fn write(&mut self, keys: Vec<BufferKey>) -> Result<(), String> {
        // All plans stand before any buffer leaves the set: a failure here changes nothing.
        let mut planned = Vec::with_capacity(keys.len());
        let asked = self.asked(&self.settings);
        for key in keys {
            if let Some(buffer) = self.buffers.get(&key) {
                let (settings, random) = (&self.settings, &self.parts.random);
                let mut plan = settings.plan(&key, buffer, settings, asked.output.as_ref(), random)?;
                plan.delta = asked.delta;
                plan.stream = self.stream_plan(settings);
                planned.push((key, plan));
            }
        }
        let mut writes = Vec::with_capacity(planned.len());
        for (key, plan) in planned {
            if let Some(buffer) = self.buffers.take(&key) {
                writes.push(Write {
                    key,
                    buffer: Arc::new(buffer),
                    plan,
                    settings: self.settings.clone(),
                    todo: Todo::Write,
                });
            }
        }
        self.deliver(writes, false).await
    }

    /// Writes what is planned until all of it is committed or the work ends: the buffers are out of the set now, and
    /// what is not written then is planned, or still in the log above the low mark.
    async fn deliver(&mut self, mut writes: Vec<Write>, mut saved: bool) -> Result<(), String> {
        let mut pause = PAUSE;
        self.shared.figures.lock().writing_since_ms = writes.iter().map(|write| write.buffer.oldest_ms).min();
        loop {
            let outcome = async {
                if !saved {
                    let plans = writes.iter().map(|write| (write.key.to_text(), write.plan.clone()));
                    checkpoint::save_plans(&self.parts.meta, &self.uid, plans.collect())
                        .await
                        .map_err(text)?;
                    saved = true;
                }
                self.finish(&writes).await
            };
            let Err(error) = outcome.await else { return Ok(()) };
            if self.shared.stop.is_cancelled() {
                return Err(error);
            }
            match self.replan(&mut writes).await {
                Ok(true) => {
                    saved = false;
                    continue;
                }
                Ok(false) => self.rest(error, &mut pause).await,
                Err(other) => {
                    // Some may have got new plans before that.
                    saved = false;
                    self.rest(format!("{error}; {other}"), &mut pause).await;
                }
            }
            // New settings may have ended the rest. By the old ones an attempt could go on for long.
            saved &= matches!(self.replan(&mut writes).await, Ok(false));
        }
    }

    /// Where a data stream that records go to ends at the moment.
    fn stream_plan(&self, settings: &Settings) -> Option<StreamPlan> {
        match &settings.spec().destination {
            Destination::Stream(stream) => Some(StreamPlan {
                scope: stream.scope.clone(),
                name: stream.name.clone(),
                ends: stream.ends(&self.parts.streams),
                delimiter: settings.spec().delimiter.clone().unwrap_or_default(),
            }),
            Destination::Objects | Destination::Http(_) => None,
        }
    }

    /// Plans anew by the settings that are wanted now, and by what a table asks for now, what failed by others; tells
    /// whether there was any.
    async fn replan(&self, writes: &mut [Write]) -> Result<bool, String> {
        let wanted = self.wanted();
        let stale = |write: &Write| {
            let is_other = write.settings.version() != wanted.version || self.is_named_otherwise(write);
            write.todo != Todo::Commit && is_other
        };
        if !writes.iter().any(stale) {
            return Ok(false);
        }
        let settings = Arc::new(Settings::new(&self.delivery, in_force(self.role, &wanted)));
        let asked = self.asked(&settings);
        for write in writes.iter_mut().filter(|write| stale(write)) {
            let may_be_delta = write.plan.delta || self.asked(&write.settings).delta;
            let is_there = match may_be_delta {
                true => self.is_committed(write).await?,
                // An object is there whole or not at all.
                false => Some(self.exists(&write.plan).await?),
            };
            if is_there == Some(true) {
                write.todo = Todo::Commit;
                continue;
            }
            let random = &self.parts.random;
            let output = asked.output.as_ref();
            let mut plan = settings.plan(&write.key, &write.buffer, &self.settings, output, random)?;
            // Some of its requests may have been taken, and some of its records be in a stream. What is put behind
            // records tells where a request ends, so that others have other ids.
            if write.settings.delimiter() == settings.delimiter() {
                plan.request_id = write.plan.request_id.clone().or(plan.request_id);
            }
            plan.delta = asked.delta;
            plan.streams_before.clone_from(&write.plan.streams_before);
            plan.streams_before.extend(write.plan.stream.clone());
            plan.stream = self.stream_plan(&settings);
            if let Some(new) = &plan.stream {
                let is_same = |old: &StreamPlan| (&old.scope, &old.name) == (&new.scope, &new.name);
                if let Some(at) = plan.streams_before.iter().position(is_same) {
                    plan.stream = Some(plan.streams_before.swap_remove(at));
                }
            }
            if may_be_delta && is_there == Some(false) {
                // Nobody else knows this file, and readers of the directory would take it for one of the table's.
                drop(self.places.delete(&write.plan.bucket, &write.plan.object_key).await);
            }
            // Documents of records that could not be converted may be there already; the new plan makes its own.
            // Until it stands the old one would make them again.
            drop(self.places.delete(&write.plan.bucket, &write.plan.error_key).await);
            (write.plan, write.settings, write.todo) = (plan, settings.clone(), Todo::Write);
        }
        Ok(true)
    }

    /// Writes the objects of planned buffers and commits them.
    async fn finish(&mut self, writes: &[Write]) -> Result<(), String> {
        let done = self.write_objects(writes).await?;
        self.commit(writes).await?;
        if let Some(outcome) = done.sent {
            self.refused = outcome.err();
        }
        let mut figures = self.shared.figures.lock();
        figures.delivered_objects += done.objects;
        figures.delivered_bytes += done.bytes;
        figures.delivered_records += writes.iter().map(|write| write.buffer.len() as u64).sum::<u64>() - done.failed;
        figures.failed_records += done.failed;
        figures.last_error.clone_from(&self.refused);
        figures.writing_since_ms = None;
        if done.last_object.is_some() {
            figures.last_object = done.last_object;
        }
        Ok(())
    }

    /// Clears the plans and moves the marks.
    async fn commit(&mut self, writes: &[Write]) -> Result<(), String> {
        let mut step = Step {
            plans_done: writes.iter().map(|write| write.key.to_text()).collect(),
            ..Step::default()
        };
        // What is being written is not in the buffers any more, so what they hold bounds the low mark.
        let mut low = self.low.clone();
        for (partition, cursor) in &self.cursors {
            let mark = self.buffers.first_offset(*partition).unwrap_or(*cursor);
            if low.get(partition) != Some(&mark) {
                low.insert(*partition, mark);
                step.low.push((*partition, mark));
            }
        }
        let mut ahead = self.ahead.clone();
        for write in writes {
            for range in &write.plan.ranges {
                if low.get(&range.partition).is_none_or(|low| range.to > *low) {
                    let key = (write.key.to_text(), range.partition);
                    ahead.insert(key.clone(), range.to);
                    step.ahead.push((key, range.to));
                }
            }
        }
        let past = |key: &(String, u64), mark: &u64| low.get(&key.1).is_some_and(|low| mark <= low);
        step.ahead_past = ahead
            .iter()
            .filter(|(key, mark)| past(key, mark))
            .map(|(key, _)| key.clone())
            .collect();
        ahead.retain(|key, mark| !past(key, mark));
        self.save(step).await?;
        (self.low, self.ahead) = (low, ahead);
        self.trim();
        Ok(())
    }

    async fn save(&self, step: Step) -> Result<(), String> {
        let saved = checkpoint::save_step(&self.parts.meta, &self.uid, step);
        saved.await.map_err(text)
    }

    /// Lets go of direct puts that are delivered.
    fn trim(&self) {
        let marks = &self.shared.marks;
        marks.set(self.role, &self.low);
        if self.settings.spec().source == Source::DirectPut {
            for partition in self.partitions() {
                partition.trim(marks.lowest(partition.id()));
            }
        }
    }

    /// Carries out plans that a crash left: the same records onto the same objects. An object that is there is there
    /// whole, and maybe more whole than what retention has left of its records: it is not written again.
    async fn redo(&mut self, plans: &mut Vec<(String, Plan)>) -> Result<(), String> {
        while let Some((key_text, plan)) = plans.last() {
            let (key_text, plan) = (key_text.clone(), plan.clone());
            let todo = match self.exists(&plan).await? {
                true => Todo::Register,
                false => Todo::Write,
            };
            let (key, buffer) = self.planned_records(&key_text, &plan).await?;
            match key {
                Some(key) => {
                    let wanted = self.wanted();
                    // Newer settings than those in force may have planned it.
                    let settings = match plan.version == wanted.version {
                        true => Arc::new(Settings::new(&self.delivery, in_force(self.role, &wanted))),
                        false => self.settings.clone(),
                    };
                    let by_neither = ![0, settings.version()].contains(&plan.version);
                    let mut writes = vec![Write {
                        key,
                        buffer: Arc::new(buffer),
                        plan,
                        settings,
                        todo,
                    }];
                    let saved = !(by_neither && self.replan(&mut writes).await?);
                    self.deliver(writes, saved).await?;
                }
                None => {
                    // Its records are gone from the log, past their retention or with their stream.
                    let step = Step {
                        plans_done: vec![key_text],
                        ..Step::default()
                    };
                    self.save(step).await?;
                }
            }
            plans.pop();
        }
        Ok(())
    }

    /// The records of a plan, as far as they are left, and their buffer key.
    async fn planned_records(&self, key_text: &str, plan: &Plan) -> Result<(Option<BufferKey>, Buffer), String> {
        let partitions = self.partitions();
        let mut buffer = Buffer::new(self.room.clone(), self.settings.delimiter_bytes());
        let mut key = None;
        let now_ms = self.parts.clock.now_ms();
        for range in &plan.ranges {
            let Some(partition) = partitions.iter().find(|partition| partition.id() == range.partition) else {
                continue;
            };
            let mut from = range.from;
            while from < range.to {
                let log = self.parts.streams.log();
                let mut read = log
                    .read(partition, from, READ_BYTES, READ_RECORDS)
                    .await
                    .map_err(text)?;
                if read.records.is_empty() {
                    break;
                }
                from = read.next_offset;
                read.records.retain(|record| record.offset < range.to);
                for Routed { key: its, piece } in self.route(read.records).await? {
                    if its.to_text() == key_text && !self.is_delivered(&its, range.partition, piece.offset) {
                        let (its, reason) = its.apart();
                        let held = Held {
                            reason: reason.as_deref(),
                            ..piece.held()
                        };
                        buffer.push(range.partition, held, now_ms);
                        key.get_or_insert(its);
                    }
                }
            }
        }
        Ok((key, buffer))
    }

    /// Waits for records, for a buffer that gets due, for new settings or the end.
    async fn wait(&self) {
        let interval_ms = self.settings.spec().buffer_interval_ms;
        let due_ms = self.buffers.next_due_ms(interval_ms).unwrap_or(Millis::MAX);
        let until_due = due_ms
            .saturating_sub(self.parts.clock.now_ms())
            .clamp(0, LOOK_AGAIN.as_millis() as Millis);
        let partitions = self.partitions();
        let arrivals = partitions.iter().map(|partition| Box::pin(self.arrival(partition)));
        let arrivals: Vec<_> = arrivals.collect();
        let any = async {
            if arrivals.is_empty() {
                std::future::pending::<()>().await;
            } else {
                futures::future::select_all(arrivals).await;
            }
        };
        tokio::select! {
            () = any => {}
            () = self.parts.clock.sleep(Duration::from_millis(until_due as u64)) => {}
            () = self.shared.changed.notified() => {}
            () = self.shared.stop.cancelled() => {}
        }
    }

    async fn arrival(&self, partition: &Partition) {
        let waited = self
            .parts
            .streams
            .log()
            .wait_for(partition, self.cursor(partition.id()))
            .await;
        if waited.is_err() {
            // The partition is gone; the next look at the source tells.
            std::future::pending::<()>().await;
        }
    }

    /// How far the source is read: what is behind that waits, also while a destination fails and nothing is read.
    fn note_cursors(&self, partitions: &[Partition]) {
        let cursors = partitions
            .iter()
            .map(|partition| (partition.id(), self.cursor(partition.id())));
        self.shared.figures.lock().cursors = cursors.collect();
    }

    fn note_figures(&self) {
        let mut figures = self.shared.figures.lock();
        figures.buffered_records = self.buffers.records();
        figures.buffered_bytes = self.buffers.bytes();
        figures.oldest_ms = self.buffers.oldest_ms();
    }
}

/// The settings of a delivery stream's work as they come into force.
pub(crate) fn in_force(role: Role, delivery: &Delivery) -> InForce {
    InForce {
        version: delivery.version,
        // A backup is never given up, so that there always is one where there was one.
        spec: role.spec(&delivery.spec).unwrap_or_else(|| delivery.spec.clone()),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
