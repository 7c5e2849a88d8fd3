//! The terminal: taken over, listened to, and given back whatever happens.

use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use super::draw;
use super::feed::Feed;
use super::state::{Asked, State};
use super::theme::Theme;
use crate::args::TopArgs;
use crate::failure::{Failure, Outcome};
use crate::output;

/// How long a key may wait at most, and a report that has come.
const TICK: Duration = Duration::from_millis(50);

pub fn run(args: &TopArgs) -> Result<Outcome, Failure> {
    // Before the screen is cleared: what goes wrong at once is said in the open.
    let mut state = State::new(args, args.source.read(&args.ask)?);
    let stop = Stop::on_signals()?;
    // This also sees to it that a panic gives the terminal back before it says anything.
    let mut terminal =
        ratatui::try_init().map_err(|error| Failure::new(format!("this is no terminal to draw on: {error}")))?;
    let ended = watch(&mut terminal, &mut state, args, &stop);
    ratatui::restore();
    ended.map(|()| Outcome::Done)
}

fn watch(terminal: &mut DefaultTerminal, state: &mut State, args: &TopArgs, stop: &Stop) -> Result<(), Failure> {
    let theme = Theme { colours: output::colours(true) };
    let feed = Feed::start(args);
    let mut drawn = None::<Instant>;
    // While paused only what was asked for by a key is shown, not what was under way.
    let mut asked = false;
    let of_terminal = |error: std::io::Error| Failure::new(format!("the terminal is gone: {error}"));
    while !stop.is_wanted() {
        // Once a second in any case: how long a program has not answered is shown.
        if drawn.is_none_or(|at| at.elapsed() >= Duration::from_secs(1)) {
            terminal.draw(|frame| draw::screen(frame, state, theme)).map_err(of_terminal)?;
            drawn = Some(Instant::now());
        }
        if event::poll(TICK).map_err(of_terminal)? {
            drawn = None;
            match event::read().map_err(of_terminal)? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match state.on_key(key) {
                    Asked::Nothing => {}
                    Asked::Quit => return Ok(()),
                    Asked::Pause(paused) => feed.pause(paused),
                    Asked::Every(interval) => feed.every(interval),
                    Asked::Now => {
                        asked = true;
                        feed.now();
                    }
                },
                // A new size is found out when the screen is drawn.
                _ => {}
            }
        }
        for news in feed.news() {
            if state.paused && !std::mem::take(&mut asked) {
                continue;
            }
            drawn = None;
            match news {
                Ok(report) => state.on_report(report),
                Err(Failure::Said(text)) => state.on_trouble(text),
                Err(Failure::ClosedPipe) => return Err(Failure::ClosedPipe),
            }
        }
    }
    Ok(())
}

/// What ends the program from outside: a signal, or the end of its terminal.
#[cfg(unix)]
struct Stop(std::sync::mpsc::Receiver<()>);

#[cfg(unix)]
impl Stop {
    /// How long the main thread may take to give the terminal back by itself. It does not come to it while it waits for a
    /// terminal that has gone away: asking that for keys never returns.
    const GRACE: Duration = Duration::from_secs(1);

    fn on_signals() -> Result<Stop, Failure> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])
            .map_err(|error| Failure::new(format!("signals cannot be listened for: {error}")))?;
        let (say, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let signal = loop {
                if let Some(signal) = signals.pending().next() {
                    break signal;
                }
                if !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
                    // It was one when this began.
                    break SIGHUP;
                }
                std::thread::sleep(TICK);
            };
            let _ = say.send(());
            std::thread::sleep(Stop::GRACE);
            ratatui::restore();
            // As a shell says of a program that a signal has ended.
            std::process::exit(128 + signal);
        });
        Ok(Stop(heard))
    }

    fn is_wanted(&self) -> bool {
        self.0.try_recv().is_ok()
    }
}

#[cfg(not(unix))]
struct Stop;

#[cfg(not(unix))]
impl Stop {
    fn on_signals() -> Result<Stop, Failure> {
        Ok(Stop)
    }

    fn is_wanted(&self) -> bool {
        false
    }
}
