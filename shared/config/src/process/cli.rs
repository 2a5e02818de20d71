//! Generates the reference of a program's command line.

use clap::CommandFactory;
use clap_markdown::{MarkdownOptions, help_markdown_custom};

/// A program's section of `docs/cli.md` as Markdown: commands with arguments and options. Hidden commands are left out.
pub fn reference<C: CommandFactory>() -> String {
    let options = MarkdownOptions::new()
        .title(format!("`{}`", C::command().get_name()))
        .show_table_of_contents(false)
        .show_footer(false);
    // clap-markdown ends every section with an empty line, including the last.
    format!("{}\n", help_markdown_custom::<C>(&options).trim_end())
}
