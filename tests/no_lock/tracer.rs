//! Runs a program instruction by instruction between its breakpoints.

use std::ffi::{c_int, c_long, c_uint, c_void};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// One execution of one operation.
pub(crate) struct Look {
    pub(crate) name: String,
    pub(crate) instructions: usize,
    /// Addresses of the locked instructions, and of full fences, which cost the same.
    pub(crate) locked: Vec<u64>,
    pub(crate) system_calls: usize,
}

// Of the C library that the standard library is linked to anyway, in its 64-bit Linux form.
unsafe extern "C" {
    fn ptrace(request: c_uint, ...) -> c_long;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn __errno_location() -> *mut c_int;
}

const TRACE_ME: c_uint = 0;
const PEEK_TEXT: c_uint = 1;
const PEEK_USER: c_uint = 3;
const CONTINUE: c_uint = 7;
const SINGLE_STEP: c_uint = 9;
const SIGNAL_TRAP: c_int = 5;
/// Offsets in the kernel's `struct user`.
const RDI: usize = 14 * 8;
const RIP: usize = 16 * 8;
const BREAKPOINT: u8 = 0xCC;

/// A stopped program. Only the thread that started it may ask.
struct Tracee(c_int);

impl Tracee {
    fn ask(&self, request: c_uint, address: usize, data: usize) -> c_long {
        // SAFETY: none of the requests used here touches this process' memory; the arguments have a pointer's size.
        unsafe {
            *__errno_location() = 0;
            let answer = ptrace(request, self.0, address as *mut c_void, data as *mut c_void);
            let error = *__errno_location();
            assert!(answer != -1 || error == 0, "ptrace({request}): {}", std::io::Error::from_raw_os_error(error));
            answer
        }
    }

    fn register(&self, offset: usize) -> u64 {
        self.ask(PEEK_USER, offset, 0) as u64
    }

    /// The instruction that comes next, and up to 16 bytes of it.
    fn next(&self) -> (u64, [u8; 16]) {
        let at = self.register(RIP);
        let mut bytes = [0; 16];
        for (i, part) in bytes.chunks_exact_mut(8).enumerate() {
            part.copy_from_slice(&self.ask(PEEK_TEXT, at as usize + 8 * i, 0).to_ne_bytes());
        }
        (at, bytes)
    }

    /// Lets it go on, by one instruction or to the next stop. `false` when it is gone.
    fn go(&self, how: c_uint) -> bool {
        self.ask(how, 0, 0);
        self.wait()
    }

    /// Waits for it to stop by a trap; any other stop is not expected.
    fn wait(&self) -> bool {
        let mut status = 0;
        // SAFETY: `status` is valid for the write.
        let pid = unsafe { waitpid(self.0, &mut status, 0) };
        assert_eq!(pid, self.0, "{}", std::io::Error::last_os_error());
        if status & 0x7F == 0 {
            assert_eq!(status >> 8 & 0xFF, 0, "the program failed");
            return false;
        }
        assert_eq!((status & 0xFF, status >> 8 & 0xFF), (0x7F, SIGNAL_TRAP), "stopped by another signal");
        true
    }
}

/// Runs `program` and looks at what it does between breakpoints.
pub(crate) fn trace(program: &Path) -> Vec<Look> {
    let mut command = Command::new(program);
    command.stdout(Stdio::piped());
    // SAFETY: asking to be traced is a bare system call.
    unsafe {
        command.pre_exec(|| match ptrace(TRACE_ME, 0, 0_usize, 0_usize) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let mut child =
        command.spawn().expect("a traced program is started; the system must allow ptrace of one's own child");
    let mut names = BufReader::new(child.stdout.take().unwrap()).lines();
    let tracee = Tracee(child.id() as c_int);
    assert!(tracee.wait(), "it stops once it is loaded");

    let mut known: Vec<String> = Vec::new();
    let mut looks = Vec::new();
    while tracee.go(CONTINUE) {
        let number = tracee.register(RDI) as usize;
        while known.len() < number {
            known.push(names.next().expect("a name for each number").unwrap());
        }
        let mut look = Look { name: known[number - 1].clone(), instructions: 0, locked: Vec::new(), system_calls: 0 };
        loop {
            let (at, bytes) = tracee.next();
            if bytes[0] == BREAKPOINT {
                break;
            }
            look.instructions += 1;
            let kind = decode(&bytes);
            if kind == Kind::Locked {
                look.locked.push(at);
            }
            look.system_calls += usize::from(kind == Kind::SystemCall);
            assert!(tracee.go(SINGLE_STEP), "it ended in the middle of {}", look.name);
        }
        looks.push(look);
        // Over the closing breakpoint: the trap that it raises is the next stop.
        assert!(tracee.go(CONTINUE));
        assert_eq!(tracee.register(RDI), 0, "breakpoints come in pairs");
    }
    // Reaped above, so that this only closes what is left.
    let _ = child.wait();
    looks
}

#[derive(Debug, PartialEq)]
enum Kind {
    Locked,
    SystemCall,
    Other,
}

/// Whether an instruction locks: by its prefix, as an exchange with memory, or as a full fence.
fn decode(bytes: &[u8; 16]) -> Kind {
    let is_prefix = |byte: u8| matches!(byte, 0xF0 | 0xF2 | 0xF3 | 0x2E | 0x36 | 0x3E | 0x26 | 0x64..=0x67);
    let prefixes = bytes.iter().take_while(|&&byte| is_prefix(byte)).count();
    let (prefixes, rest) = bytes.split_at(prefixes);
    // REX comes last of all prefixes.
    let rest = if rest[0] & 0xF0 == 0x40 { &rest[1..] } else { rest };
    match rest {
        _ if prefixes.contains(&0xF0) => Kind::Locked,
        // XCHG: locked by itself if one side is memory.
        [0x86 | 0x87, operands, ..] if operands >> 6 != 3 => Kind::Locked,
        // MFENCE
        [0x0F, 0xAE, 0xF0..=0xF7, ..] => Kind::Locked,
        [0x0F, 0x05, ..] => Kind::SystemCall,
        _ => Kind::Other,
    }
}

#[test]
fn locked_instructions_are_told_from_others() {
    let kind = |start: &[u8]| {
        let mut bytes = [0x90; 16];
        bytes[..start.len()].copy_from_slice(start);
        decode(&bytes)
    };
    let locked: [&[u8]; 7] = [
        &[0xF0, 0x48, 0x0F, 0xC1, 0x07], // lock xadd [rdi], rax
        &[0xF0, 0x0F, 0xB1, 0x0F],       // lock cmpxchg [rdi], ecx
        &[0x66, 0xF0, 0x0F, 0xB1, 0x0F], // the same of 16 bits
        &[0xF0, 0x83, 0x0C, 0x24, 0x00], // lock or dword [rsp], 0
        &[0x48, 0x87, 0x07],             // xchg [rdi], rax
        &[0x86, 0x47, 0x08],             // xchg [rdi + 8], al
        &[0x0F, 0xAE, 0xF0],             // mfence
    ];
    assert!(locked.iter().all(|bytes| kind(bytes) == Kind::Locked));
    let others: [&[u8]; 6] = [
        &[0x48, 0x87, 0xC7],                   // xchg rdi, rax
        &[0x48, 0x89, 0xF0],                   // mov rax, rsi
        &[0x48, 0x0F, 0xC1, 0x07],             // xadd [rdi], rax, without the prefix
        &[0x0F, 0xAE, 0xE8],                   // lfence
        &[0x64, 0x48, 0x8B, 0x04, 0x25, 0xF0], // mov rax, fs:[...]
        &[0xF3, 0x48, 0xAB],                   // rep stosq
    ];
    assert!(others.iter().all(|bytes| kind(bytes) == Kind::Other));
    assert_eq!(kind(&[0x0F, 0x05]), Kind::SystemCall);
}
