"""Each file is called as a package and has one `Framework` (`inflor.converter.modules.forms`), FRAMEWORK."""
