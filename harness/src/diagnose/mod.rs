//! Diagnosis: cause, counterfactual, source line. Pure.
