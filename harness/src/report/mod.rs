//! Reports: serializable twins and renderers.
