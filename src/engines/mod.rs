//! The bundled engines: one small adapter a file.
