"""Values for the classes of `grpo.config.schema`; a package only so that Hydra finds it from an installed wheel."""
