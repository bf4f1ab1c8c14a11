//! What can be wrong with input, and how Python sees it.

use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::PyErr;

create_exception!(
    dvid_kernels,
    LabelFormatError,
    PyValueError,
    "Bytes that are not what the label formats allow; args are the text and the number of the payload, or None."
);

/// A refusal; `Format` is the sender's or the disk's fault, `Argument` the caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    Format { text: String, payload: Option<usize> },
    Argument(String),
}

pub type Outcome<T> = Result<T, Fault>;

impl Fault {
    pub fn format<T>(text: impl Into<String>) -> Outcome<T> {
        Err(Fault::Format { text: text.into(), payload: None })
    }

    pub fn argument<T>(text: impl Into<String>) -> Outcome<T> {
        Err(Fault::Argument(text.into()))
    }

    /// Names the payload that was refused.
    pub fn in_payload(self, index: usize) -> Fault {
        match self {
            Fault::Format { text, .. } => Fault::Format { text, payload: Some(index) },
            other => other,
        }
    }
}

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> PyErr {
        match fault {
            Fault::Format { text, payload } => LabelFormatError::new_err((text, payload)),
            Fault::Argument(text) => PyValueError::new_err(text),
        }
    }
}
