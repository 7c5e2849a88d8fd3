//! Colours and, without them, other means.

use ratatui::style::{Color, Modifier, Style};

/// Which means a terminal has. Only the terminal's own sixteen colours are used, so that they suit its background.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    pub colours: bool,
}

impl Theme {
    fn colour(self, colour: Color, otherwise: Modifier) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new().add_modifier(otherwise) }
    }

    /// Lines around things, and what matters less.
    pub fn faint(self) -> Style {
        self.colour(Color::DarkGray, Modifier::DIM)
    }

    /// Headings and figures to be seen first.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is selected or active.
    pub fn accent(self) -> Style {
        self.colour(Color::Cyan, Modifier::BOLD)
    }

    pub fn good(self) -> Style {
        self.colour(Color::Green, Modifier::empty())
    }

    pub fn warning(self) -> Style {
        self.colour(Color::Yellow, Modifier::empty())
    }

    pub fn bad(self) -> Style {
        self.colour(Color::Red, Modifier::BOLD)
    }

    /// A row under the cursor.
    pub fn cursor(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Waste by its share of the whole.
    pub fn waste(self, part: usize, whole: usize) -> Style {
        let percent = part as u128 * 100 / whole.max(1) as u128;
        match percent {
            90.. => self.bad(),
            50.. => self.warning(),
            _ => self.good(),
        }
    }

    /// Growth in bytes a second, against what there is: a tenth of it in ten seconds is much.
    pub fn growth(self, rate: f64, of: usize) -> Style {
        let share = rate / (of.max(1) as f64);
        if rate < 1.0 {
            if rate <= -1.0 { self.good() } else { self.faint() }
        } else if share > 0.01 {
            self.bad()
        } else {
            self.warning()
        }
    }
}
