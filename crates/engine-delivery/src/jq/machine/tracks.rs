//! Following where values lie, for `path`.

use super::{Kind, Machine, State, Track, UNTRACKED};
use crate::jq::access;
use crate::jq::fault::{Fault, Outcome, raise};
use crate::jq::value::Value;
use crate::jq::write::shortened;

impl Machine<'_, '_> {
    /// Follows a value from here on.
    pub(super) fn start_track(&mut self, value: Value) {
        self.tracks.push(Track {
            parent: UNTRACKED,
            key: Value::Null,
            value,
        });
        self.track = self.tracks.len() as u32 - 1;
    }

    /// The path to a value that is followed. It must be the one that lies there.
    pub(super) fn end_track(&mut self, value: &Value) -> Outcome {
        if !self.is_followed(value) {
            return raise(format!("Invalid path expression with result {}", shortened(value)));
        }
        let mut keys = Vec::new();
        let mut track = &self.tracks[self.track as usize];
        while track.parent != UNTRACKED {
            self.context.meter.spend(1)?;
            keys.push(track.key.clone());
            track = &self.tracks[track.parent as usize];
        }
        self.context.meter.room(keys.len() * size_of::<Value>())?;
        keys.reverse();
        Ok(Value::array(keys))
    }

    fn is_followed(&self, value: &Value) -> bool {
        self.track == UNTRACKED || self.tracks[self.track as usize].value.is_same(value)
    }

    fn follow(&mut self, key: &Value, value: &Value) {
        if self.track != UNTRACKED {
            self.tracks.push(Track {
                parent: self.track,
                key: key.clone(),
                value: value.clone(),
            });
            self.track = self.tracks.len() as u32 - 1;
        }
    }

    fn check_followed(&self, of: &Value, what: impl Fn() -> String) -> Outcome<()> {
        match self.is_followed(of) {
            true => Ok(()),
            false => raise(format!(
                "Invalid path expression near attempt to {} {}",
                what(),
                shortened(of)
            )),
        }
    }

    /// What stands at a key, which is followed.
    pub(super) fn tracked_get(&mut self, of: &Value, key: &Value) -> Outcome {
        self.check_followed(of, || format!("access element {} of", shortened(key)))?;
        let value = access::get(of, key, &mut self.context.meter)?;
        self.follow(key, &value);
        Ok(value)
    }

    pub(super) fn index(&mut self, of: &Value, key: &Value, is_optional: bool, kont: u32) -> Outcome<State> {
        self.check_followed(of, || format!("access element {} of", shortened(key)))?;
        match access::get(of, key, &mut self.context.meter) {
            Ok(value) => {
                self.follow(key, &value);
                Ok(State::Yield { value, kont })
            }
            Err(Fault::Raised(_)) if is_optional => Ok(State::Backtrack),
            Err(fault) => Err(fault),
        }
    }

    /// What stands at a path, which is followed.
    pub(super) fn get_path(&mut self, of: &Value, path: &Value, kont: u32) -> Outcome<State> {
        let value = access::get_path(of, path, &mut self.context.meter)?;
        self.check_followed(of, || format!("access element {} of", shortened(path)))?;
        if let Value::Array(keys) = path
            && let Some((last, before)) = keys.items().split_last()
        {
            self.context.meter.room(keys.len() * size_of::<Track>())?;
            // What lies on the way is not looked at.
            before.iter().for_each(|key| self.follow(key, &Value::Null));
            self.follow(last, &value);
        }
        Ok(State::Yield { value, kont })
    }

    /// The items of a value, one after the other.
    pub(super) fn each(&mut self, of: Value, is_optional: bool, kont: u32) -> Outcome<State> {
        self.check_followed(&of, || "iterate through".to_owned())?;
        match of {
            Value::Array(_) | Value::Object(_) => {
                self.choose(Kind::Each, crate::jq::program::NodeId(0), 0, 0, of, kont);
                Ok(State::Backtrack)
            }
            _ if is_optional => Ok(State::Backtrack),
            Value::Null => raise("Cannot iterate over null (null)"),
            other => raise(format!("Cannot iterate over {}", access::described(&other))),
        }
    }

    /// Yields an item of the value of the last choice, which ends with its last.
    pub(super) fn next_item(&mut self, of: &Value, at: usize, kont: u32) -> Outcome<State> {
        let item = match of {
            Value::Array(array) => array.items().get(at).map(|item| (Value::Number(at as f64), item)),
            Value::Object(object) => object.entry(at).map(|(key, value)| (Value::Text(key.clone()), value)),
            _ => None,
        };
        let length = match of {
            Value::Array(array) => array.len(),
            Value::Object(object) => object.len(),
            _ => 0,
        };
        if at + 1 >= length {
            self.choices.pop();
        }
        let Some((key, value)) = item else {
            return Ok(State::Backtrack);
        };
        self.follow(&key, value);
        Ok(State::Yield {
            value: value.clone(),
            kont,
        })
    }
}
