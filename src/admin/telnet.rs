//! What a person types, as telnet, `nc` or a raw terminal send it: lines, with everything else taken out of them.
//!
//! Telnet's own commands (RFC 854) stand between the letters: each is recognised and dropped, and every offer or demand
//! of an option is declined once, as RFC 1143 wants it of a peer that has none. A timing mark (RFC 860) is the exception
//! that clients wait for after an interrupt.

/// Bytes of a line that are kept.
pub(super) const MAX_LINE: usize = 1024;
/// Answers to options that one connection gets; past that, a peer only wastes time.
const MAX_REPLIES: usize = 64;
/// What a [`LineReader`] holds at most: a line, and answers that were not sent yet.
pub(super) const MAX_HELD: usize = MAX_LINE + 3 * MAX_REPLIES;

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
/// Begins what only [`SE`] ends.
const SB: u8 = 250;
/// Erase the line.
const EL: u8 = 248;
/// Erase a character.
const EC: u8 = 247;
/// Interrupt.
const IP: u8 = 244;
const SE: u8 = 240;
const TIMING_MARK: u8 = 6;

/// Where in a command of telnet's the input stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Text,
    Command,
    Option(u8),
    Subnegotiation,
    SubnegotiationCommand,
}

/// What a byte brought about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Nothing yet.
    None,
    /// A line is complete.
    Line(String),
    /// A line ended that was longer than any command is.
    TooLong,
    /// The peer wants to go (`^D`).
    Leave,
}

/// Makes lines of bytes.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    line: Vec<u8>,
    too_long: bool,
    within: Within,
    after_cr: bool,
    /// Whether the last line ended as telnet's do, by CR LF.
    pub(super) crlf: bool,
    replies: usize,
    /// To be sent before anything else: at most [`MAX_REPLIES`] of three bytes in the connection's life.
    pub(super) out: Vec<u8>,
}

impl LineReader {
    pub(super) fn push(&mut self, byte: u8) -> Event {
        match self.within {
            Within::Text if byte == IAC => self.within = Within::Command,
            Within::Text => return self.text(byte),
            Within::Command => self.command(byte),
            Within::Option(verb) => {
                self.within = Within::Text;
                self.decline(verb, byte);
            }
            Within::Subnegotiation if byte == IAC => self.within = Within::SubnegotiationCommand,
            Within::Subnegotiation => {}
            Within::SubnegotiationCommand => {
                self.within = if byte == SE { Within::Text } else { Within::Subnegotiation };
            }
        }
        Event::None
    }

    /// Whether this would be the second half of the end of the last line.
    pub(super) fn ends_line(&self, byte: u8) -> bool {
        self.after_cr && matches!(byte, b'\n' | 0)
    }

    /// What stands there without a line's end, when the peer sends no more.
    pub(super) fn finish(&mut self) -> Option<String> {
        (!self.line.is_empty()).then(|| self.take_line())
    }

    fn text(&mut self, byte: u8) -> Event {
        // The second half of CR LF or, as telnet sends a bare CR, of CR NUL.
        let ends_line = self.ends_line(byte);
        self.after_cr = false;
        if ends_line {
            return Event::None;
        }
        match byte {
            b'\r' | b'\n' => {
                self.after_cr = byte == b'\r';
                self.crlf = byte == b'\r';
                if core::mem::take(&mut self.too_long) {
                    self.line.clear();
                    return Event::TooLong;
                }
                return Event::Line(self.take_line());
            }
            // ^D ends a session only where it would end a shell's.
            4 if self.line.is_empty() && !self.too_long => return Event::Leave,
            // Backspace as terminals send it, in either way.
            8 | 127 => self.erase(),
            // ^C and ^U give up the line.
            3 | 21 => self.clear(),
            0 => {}
            _ if self.line.len() < MAX_LINE => self.line.push(byte),
            _ => self.too_long = true,
        }
        Event::None
    }

    fn command(&mut self, byte: u8) {
        self.within = match byte {
            WILL | WONT | DO | DONT => Within::Option(byte),
            SB => Within::Subnegotiation,
            _ => Within::Text,
        };
        match byte {
            // Doubled, it stands for itself; no command has one.
            IAC if self.line.len() < MAX_LINE => self.line.push(byte),
            EC => self.erase(),
            EL | IP => self.clear(),
            _ => {}
        }
    }

    fn decline(&mut self, verb: u8, option: u8) {
        let answer = match verb {
            DO if option == TIMING_MARK => WILL,
            DO => WONT,
            WILL => DONT,
            // That nobody does something is how it is already.
            _ => return,
        };
        if self.replies < MAX_REPLIES {
            self.replies += 1;
            self.out.extend([IAC, answer, option]);
        }
    }

    /// Takes back the last character, all bytes of it.
    fn erase(&mut self) {
        while let Some(byte) = self.line.pop() {
            if byte & 0xc0 != 0x80 {
                break;
            }
        }
    }

    fn clear(&mut self) {
        self.line.clear();
        self.too_long = false;
    }

    fn take_line(&mut self) -> String {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        line
    }

    /// Bytes that it holds: never more than [`MAX_HELD`].
    pub(super) fn held(&self) -> usize {
        self.line.len() + self.out.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> (Vec<String>, LineReader) {
        let mut reader = LineReader::default();
        let mut lines = Vec::new();
        for &byte in input {
            match reader.push(byte) {
                Event::None => {}
                Event::Line(line) => lines.push(line),
                Event::TooLong => lines.push("(too long)".to_owned()),
                Event::Leave => lines.push("(leave)".to_owned()),
            }
        }
        (lines, reader)
    }

    #[test]
    fn line_ends_of_all_kinds() {
        assert_eq!(lines(b"a\nb\r\nc\r\0d\re\n\n\r\n").0, ["a", "b", "c", "d", "e", "", ""]);
        assert!(lines(b"a\r\n").1.crlf);
        assert!(!lines(b"a\n").1.crlf);
    }

    #[test]
    fn a_line_is_edited() {
        assert_eq!(lines(b"sx\x08labs\n").0, ["slabs"]);
        assert_eq!(lines("ä\u{7f}\u{7f}\u{7f}top\n".as_bytes()).0, ["top"]);
        assert_eq!(lines(b"nonsense\x15top\nnonsense\x03\n").0, ["top", ""]);
        assert_eq!(lines(b"a\x04\n\x04").0, ["a\u{4}", "(leave)"]);
    }

    #[test]
    fn telnets_commands_are_taken_out_and_declined_once() {
        // DO echo, WILL window size, a window size that holds a line's end, and "no operation".
        let (lines, reader) =
            lines(b"sl\xff\xfd\x01a\xff\xfb\x1f\xff\xfa\x1f\x00P\x00\n\xff\xff\xff\xf0b\xff\xf1s\r\n");
        assert_eq!(lines, ["slabs"]);
        assert_eq!(reader.out, [255, 252, 1, 255, 254, 31]);
    }

    #[test]
    fn an_interrupt_is_answered_with_the_mark_that_clients_wait_for() {
        let (lines, reader) = lines(b"nonsense\xff\xf4\xff\xfd\x06top\n");
        assert_eq!(lines, ["top"]);
        assert_eq!(reader.out, [255, 251, 6]);
    }

    #[test]
    fn options_without_end_and_lines_without_end_take_bounded_memory() {
        let (_, reader) = lines(&b"\xff\xfd\x01".repeat(10_000));
        assert_eq!(reader.out.len(), 3 * MAX_REPLIES);
        let mut long = vec![b'x'; 100_000];
        long.extend(b"\ntop\n");
        let (lines, reader) = lines(&long);
        assert_eq!(lines, ["(too long)", "top"]);
        assert!(reader.line.capacity() <= 2 * MAX_LINE, "{}", reader.line.capacity());
        assert_eq!(reader.held(), 0);
    }

    #[test]
    fn what_stands_at_the_end_is_a_line() {
        let (_, mut reader) = lines(b"slabs");
        assert_eq!(reader.finish().as_deref(), Some("slabs"));
        assert_eq!(reader.finish(), None);
    }
}
