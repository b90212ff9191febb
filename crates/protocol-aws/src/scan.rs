//! A reader for the request bodies of the hot paths: JSON whose strings are taken as they stand.
//!
//! It accepts less than JSON and nothing more: at an escape, an unknown or repeated member, or anything else out
//! of the ordinary it gives up, and the request goes the common way. So all errors are worded in one place.

/// A place in a request body.
pub struct Scan<'b> {
    body: &'b [u8],
    at: usize,
}

impl<'b> Scan<'b> {
    #[must_use]
    pub fn new(body: &'b [u8]) -> Self {
        Self { body, at: 0 }
    }

    /// Reads an object: `member` gets each name, unescaped by nature, and reads its value.
    pub fn object(&mut self, mut member: impl FnMut(&mut Self, &'b [u8]) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Some(());
        }
        loop {
            self.space();
            let name = self.string()?;
            self.expect(b':')?;
            self.space();
            member(self, name)?;
            if self.take(b'}') {
                return Some(());
            }
            self.expect(b',')?;
        }
    }

    /// Reads an array: `item` reads each element.
    pub fn array(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'[')?;
        if self.take(b']') {
            return Some(());
        }
        loop {
            self.space();
            item(self)?;
            if self.take(b']') {
                return Some(());
            }
            self.expect(b',')?;
        }
    }

    /// A string without escapes. Its bytes may still be what JSON does not allow; see [`plain`].
    pub fn string(&mut self) -> Option<&'b [u8]> {
        if self.body.get(self.at) != Some(&b'"') {
            return None;
        }
        let from = self.at + 1;
        let length = memchr::memchr2(b'"', b'\\', self.body.get(from..)?)?;
        let end = from + length;
        if self.body[end] == b'\\' {
            return None;
        }
        self.at = end + 1;
        Some(&self.body[from..end])
    }

    /// A string that is text as JSON allows it.
    pub fn text(&mut self) -> Option<&'b str> {
        plain(self.string()?)
    }

    /// A whole number of at most nine digits.
    pub fn number(&mut self) -> Option<u32> {
        let rest = self.body.get(self.at..)?;
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 || length > 9 || (length > 1 && rest[0] == b'0') {
            return None;
        }
        // A fraction or an exponent may follow, and then it is no whole number.
        if matches!(rest.get(length), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        self.at += length;
        std::str::from_utf8(&rest[..length]).ok()?.parse().ok()
    }

    /// Whether nothing but space is left.
    pub fn end(&mut self) -> Option<()> {
        self.space();
        (self.at == self.body.len()).then_some(())
    }

    fn space(&mut self) {
        while matches!(self.body.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let there = self.body.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }
}

fn plain(bytes: &[u8]) -> Option<&str> {
    if bytes.iter().any(|byte| *byte < 0x20) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// Sets a member once; `None` when it was set already.
pub fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    if place.is_some() {
        return None;
    }
    *place = Some(value);
    Some(())
}
