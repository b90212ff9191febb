//! Values of JSON as jq 1.6 has them: numbers are doubles, objects keep the order in which their keys came.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use indexmap::IndexMap;

use super::fault::Outcome;
use super::memory::{Charge, Meter};

#[derive(Debug, Clone, Default)]
pub(super) enum Value {
    #[default]
    Null,
    Bool(bool),
    Number(f64),
    Text(Text),
    Array(Array),
    Object(Object),
}

/// A shared text.
#[derive(Debug, Clone)]
pub(super) struct Text(Arc<TextBody>);

#[derive(Debug)]
struct TextBody {
    text: String,
    charge: Charge,
}

/// A shared array.
#[derive(Debug, Clone)]
pub(super) struct Array(Arc<ArrayBody>);

#[derive(Debug)]
struct ArrayBody {
    items: Vec<Value>,
    depth: u32,
    charge: Charge,
}

/// A shared object.
#[derive(Debug, Clone)]
pub(super) struct Object(Arc<ObjectBody>);

#[derive(Debug)]
struct ObjectBody {
    entries: IndexMap<Text, Value, DefaultHashBuilder>,
    depth: u32,
    charge: Charge,
}

/// The counters, lengths and pointers of a shared body.
const BODY_BYTES: usize = 64;
const ITEM_BYTES: usize = size_of::<Value>();
/// A key, a value, a hash, and a place in the index that is half full.
pub(super) const ENTRY_BYTES: usize = ITEM_BYTES + 32;

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(Text::new(text.into()))
    }

    pub(super) fn array(items: impl IntoIterator<Item = Value>) -> Self {
        Self::Array(items.into_iter().collect())
    }

    pub(super) fn is_truthy(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// The length of a text; nothing of all else.
    pub(super) fn text_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.as_str().len(),
            _ => 0,
        }
    }

    /// Arrays and objects within each other; what was taken out again may count.
    pub(super) fn depth(&self) -> u32 {
        match self {
            Self::Array(array) => array.0.depth,
            Self::Object(object) => object.0.depth,
            _ => 0,
        }
    }

    /// Whether two values are one: the same text, array or object in memory, or the same number or other scalar. Paths
    /// are followed as long as values are the ones that lie at them.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Number(left), Self::Number(right)) => left.to_bits() == right.to_bits(),
            (Self::Text(left), Self::Text(right)) => Arc::ptr_eq(&left.0, &right.0),
            (Self::Array(left), Self::Array(right)) => Arc::ptr_eq(&left.0, &right.0),
            (Self::Object(left), Self::Object(right)) => Arc::ptr_eq(&left.0, &right.0),
            _ => false,
        }
    }
}

impl Text {
    pub(super) fn new(text: String) -> Self {
        let charge = Charge::new(BODY_BYTES + text.capacity());
        Self(Arc::new(TextBody { text, charge }))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0.text
    }

    /// What a change costs before it is done: copying where something else holds it too.
    pub(super) fn cost_of_change(&self) -> usize {
        match Arc::strong_count(&self.0) {
            1 => 0,
            _ => self.as_str().len(),
        }
    }

    /// Puts a text behind it, in place where nothing else holds it.
    pub(super) fn push(&mut self, more: &str) {
        match Arc::get_mut(&mut self.0) {
            Some(body) => {
                body.text.push_str(more);
                body.charge.set(BODY_BYTES + body.text.capacity());
            }
            None => *self = Self::new([self.as_str(), more].concat()),
        }
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl FromIterator<Value> for Array {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        let items: Vec<_> = items.into_iter().collect();
        Self::new(items)
    }
}

impl Array {
    pub(super) fn new(items: Vec<Value>) -> Self {
        let depth = 1 + items.iter().map(Value::depth).max().unwrap_or(0);
        let charge = Charge::new(BODY_BYTES + items.capacity() * ITEM_BYTES);
        Self(Arc::new(ArrayBody { items, depth, charge }))
    }

    pub(super) fn items(&self) -> &[Value] {
        &self.0.items
    }

    pub(super) fn len(&self) -> usize {
        self.0.items.len()
    }

    /// The array to be changed: a copy where something else holds it too.
    fn own(&mut self) -> &mut ArrayBody {
        Arc::make_mut(&mut self.0)
    }

    /// What a change costs before it is done: copying where something else holds it too.
    pub(super) fn cost_of_change(&self) -> usize {
        match Arc::strong_count(&self.0) {
            1 => 0,
            _ => self.len() * ITEM_BYTES,
        }
    }

    pub(super) fn push(&mut self, item: Value) {
        let body = self.own();
        body.depth = body.depth.max(1 + item.depth());
        body.items.push(item);
        body.charge.set(BODY_BYTES + body.items.capacity() * ITEM_BYTES);
    }

    pub(super) fn extend(&mut self, items: &[Value]) {
        let body = self.own();
        body.depth = body.depth.max(1 + items.iter().map(Value::depth).max().unwrap_or(0));
        body.items.extend_from_slice(items);
        body.charge.set(BODY_BYTES + body.items.capacity() * ITEM_BYTES);
    }

    /// An item to be changed, where nothing else holds the array.
    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Value> {
        Arc::get_mut(&mut self.0)?.items.get_mut(at)
    }

    /// Takes an item out to be changed, leaving null.
    pub(super) fn take(&mut self, at: usize) -> Value {
        self.own().items.get_mut(at).map(std::mem::take).unwrap_or_default()
    }

    /// Sets an item; those between the end and it are null.
    pub(super) fn set(&mut self, at: usize, item: Value) {
        let body = self.own();
        if at >= body.items.len() {
            body.items.resize(at + 1, Value::Null);
            body.charge.set(BODY_BYTES + body.items.capacity() * ITEM_BYTES);
        }
        body.depth = body.depth.max(1 + item.depth());
        body.items[at] = item;
    }
}

impl Clone for ArrayBody {
    fn clone(&self) -> Self {
        Self {
            items: self.items.clone(),
            depth: self.depth,
            charge: Charge::new(BODY_BYTES + self.items.len() * ITEM_BYTES),
        }
    }
}

impl Default for Object {
    fn default() -> Self {
        Self(Arc::new(ObjectBody {
            entries: IndexMap::default(),
            depth: 1,
            charge: Charge::new(BODY_BYTES),
        }))
    }
}

impl FromIterator<(Text, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (Text, Value)>>(entries: I) -> Self {
        let mut object = Self::default();
        for (key, value) in entries {
            object.put(key, value);
        }
        object
    }
}

/// Keys are hashed and compared as a whole, and may be as long as any text; what is done by key counts that.
impl Object {
    pub(super) fn len(&self) -> usize {
        self.0.entries.len()
    }

    pub(super) fn get(&self, key: &Text, meter: &mut Meter) -> Outcome<Option<&Value>> {
        meter.spend_bytes(key.as_str().len())?;
        Ok(self.0.entries.get(key))
    }

    /// What stands at a key that is no value of a query.
    pub(super) fn field(&self, key: &'static str) -> Option<&Value> {
        self.0.entries.get(key)
    }

    pub(super) fn entry(&self, at: usize) -> Option<(&Text, &Value)> {
        self.0.entries.get_index(at)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&Text, &Value)> {
        self.0.entries.iter()
    }

    /// The keys by their code points.
    pub(super) fn sorted_keys(&self, meter: &mut Meter) -> Outcome<Vec<&Text>> {
        let comparisons = 1 + self.len().max(1).ilog2() as usize;
        meter.spend(self.len().saturating_mul(comparisons))?;
        meter.room(self.len() * size_of::<&Text>())?;
        let mut keys: Vec<_> = self.0.entries.keys().collect();
        let bytes: usize = keys.iter().map(|key| key.as_str().len()).sum();
        meter.spend_bytes(bytes.saturating_mul(comparisons))?;
        keys.sort_unstable_by(|left, right| left.as_str().cmp(right.as_str()));
        Ok(keys)
    }

    fn own(&mut self) -> &mut ObjectBody {
        Arc::make_mut(&mut self.0)
    }

    pub(super) fn cost_of_change(&self) -> usize {
        match Arc::strong_count(&self.0) {
            1 => 0,
            _ => self.len() * ENTRY_BYTES,
        }
    }

    /// A key that is there keeps its place.
    pub(super) fn insert(&mut self, key: Text, value: Value, meter: &mut Meter) -> Outcome<()> {
        meter.spend_bytes(key.as_str().len())?;
        self.put(key, value);
        Ok(())
    }

    fn put(&mut self, key: Text, value: Value) {
        let body = self.own();
        body.depth = body.depth.max(1 + value.depth());
        body.entries.insert(key, value);
        body.charge.set(BODY_BYTES + body.entries.capacity() * ENTRY_BYTES);
    }

    /// A value to be changed, where nothing else holds the object.
    pub(super) fn get_mut(&mut self, key: &Text, meter: &mut Meter) -> Outcome<Option<&mut Value>> {
        meter.spend_bytes(key.as_str().len())?;
        Ok(Arc::get_mut(&mut self.0).and_then(|body| body.entries.get_mut(key)))
    }

    /// Takes a value out to be changed, leaving null.
    pub(super) fn take(&mut self, key: &Text, meter: &mut Meter) -> Outcome {
        meter.spend_bytes(key.as_str().len())?;
        Ok(self.own().entries.get_mut(key).map(std::mem::take).unwrap_or_default())
    }

    /// Those behind the key move up.
    pub(super) fn remove(&mut self, key: &Text, meter: &mut Meter) -> Outcome<()> {
        meter.spend(1 + self.len() / 8)?;
        meter.spend_bytes(key.as_str().len())?;
        self.own().entries.shift_remove(key);
        Ok(())
    }
}

impl Clone for ObjectBody {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
            depth: self.depth,
            charge: Charge::new(BODY_BYTES + self.entries.len() * ENTRY_BYTES),
        }
    }
}
