//! The words of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use cairn_transports::lora::modem::ModemKind;
use cairn_transports::lora::{ModeLines, Region};
use clap::{Args, Parser, Subcommand};

/// A storage node for people who cannot count on a server, or on a network.
#[derive(Debug, Parser)]
#[command(name = "cairn", version, args_conflicts_with_subcommands = false)]
pub struct Cli {
    /// The node's folder. Default: cairn in the XDG data folder
    #[arg(long, env = "CAIRN_HOME", global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// A file whose first line unlocks the node's keys, if they are locked; - for standard input
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// What to do; without it, run.
    #[command(subcommand)]
    pub command: Option<Words>,
    /// Arguments of run.
    #[command(flatten)]
    pub run: RunArguments,
}

/// Arguments of `run`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct RunArguments {
    /// Where the HTTP door opens; port 0: any free port
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub http: Option<SocketAddr>,
    /// Speak TLS at the HTTP door, with this certificate and its chain, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// Where programs reach the HTTP door, if a proxy with TLS stands before it, such as https://HOST
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Where other nodes reach this one: tcp://ADDRESS:PORT, or a multiaddr. May be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<String>,
    /// Where others reach this node from outside; invites name it first. May be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub external: Vec<String>,
    /// A relay through which to be reachable: a multiaddr that ends in /p2p/ID. May be repeated; needs the feature wan
    #[arg(long, value_name = "ADDRESS")]
    pub relay: Vec<String>,
    /// Relay for others; needs the feature wan
    #[arg(long)]
    pub relay_for_others: bool,
    /// A node to stay in touch with. May be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub peer: Vec<String>,
    /// Neither look for nodes on the LAN nor be found there
    #[arg(long)]
    pub no_mdns: bool,
    /// A LoRa radio on a serial port
    #[command(flatten)]
    pub lora: LoraArguments,
    /// How much the documents may take together, such as "10 GiB"
    #[arg(long, value_name = "SIZE")]
    pub quota: Option<String>,
    /// The user's name, for a new folder
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Write down what happens to the node in a new file, for cairn-sim replay: no contents, no keys, but names
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// How long the recording may become, such as "100 MiB". Default: 1 GiB
    #[arg(long, value_name = "SIZE", requires = "record")]
    pub record_max: Option<String>,
    /// What is logged: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
}

/// A LoRa radio.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "LoRa radio")]
pub struct LoraArguments {
    /// The serial port of a LoRa modem, such as /dev/ttyUSB0
    #[arg(long = "lora", value_name = "PORT")]
    pub port: Option<String>,
    /// How it is set
    #[command(flatten)]
    pub radio: RadioArguments,
}

/// How a radio is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "LoRa radio")]
pub struct RadioArguments {
    /// What kind of modem it is: rnode, e22 or rylr. Default: what answers
    #[arg(long, value_name = "KIND", requires = "port")]
    pub modem: Option<ModemKind>,
    /// Whose rules hold: EU868, EU433, US915, AU915, AS923 or IN865. Told once, it is remembered
    #[arg(long, requires = "port")]
    pub region: Option<Region>,
    /// The channel's middle. Default: one that the region allows
    #[arg(long, value_name = "HZ", requires = "port")]
    pub frequency: Option<u32>,
    /// The spreading factor, 5 to 12: each step reaches further and takes twice as long. Default: 8
    #[arg(long, value_name = "N", requires = "port")]
    pub sf: Option<u8>,
    /// The bandwidth. Default: 125000
    #[arg(long, value_name = "HZ", requires = "port")]
    pub bandwidth: Option<u32>,
    /// The coding rate, 5 to 8 for 4/5 to 4/8. Default: 5
    #[arg(long, value_name = "N", requires = "port")]
    pub coding_rate: Option<u8>,
    /// The power at the modem. Default: 14, or less where the region allows no more
    #[arg(long, value_name = "DBM", requires = "port")]
    pub tx_power: Option<u8>,
    /// Bits per second over the air, of an E22, which knows no spreading factor. Default: 2400
    #[arg(long, value_name = "BPS", requires = "port")]
    pub air_rate: Option<u32>,
    /// The GPIO lines that an E22's M0 and M1 are wired to. Default: 22,27 on a Raspberry Pi's own serial port
    #[arg(long, value_name = "[CHIP:]M0,M1", requires = "port")]
    pub mode_lines: Option<ModeLines>,
    /// The radio was used within the last hour, and not by this folder: by a node whose disk is lost, or by another program. All
    /// airtime counts as used
    #[arg(long, requires = "port")]
    pub airtime_used: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Words {
    /// Run the node
    Run(Box<RunArguments>),
    /// Make keys and configuration without starting
    Init {
        /// The user's name in addresses
        #[arg(long)]
        user: String,
        /// Print JSON, the recovery phrase in it
        #[arg(long)]
        json: bool,
    },
    /// Become one of an owner's nodes by the recovery phrase, which is read from standard input: before the first run
    /// of a new folder
    Recover {
        /// The user's name in addresses
        #[arg(long, default_value = "me")]
        user: String,
        /// The name of this device, for people
        #[arg(long)]
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The owner's key, which the recovery phrase stands for
    #[command(subcommand)]
    Owner(OwnerWords),
    /// Lock the node's keys by a passphrase
    #[command(subcommand)]
    Key(KeyWords),
    /// Print a code with which another device of yours can join
    Invite {
        /// Draw the code as a QR code as well
        #[arg(long)]
        qr: bool,
        /// How long the code may be used, such as 30m, 24h or 7d
        #[arg(long, default_value = "24h", value_name = "TIME")]
        expires: String,
        /// Name this address in the code instead of the node's own. May be repeated
        #[arg(long, value_name = "ADDRESS")]
        address: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Become one of an owner's nodes, before the first run of a new folder
    Join {
        /// What cairn invite printed
        code: String,
        /// The name of this device, for people
        #[arg(long)]
        name: Option<String>,
    },
    /// Set the passphrase with which you sign in at the node's page and let apps connect: typed twice, or one line of standard input
    Passwd {
        /// Forget it: nobody can sign in any more, and no app connect; apps that are in stay
        #[arg(long)]
        remove: bool,
    },
    /// Access tokens for programs
    #[command(subcommand)]
    Token(TokenWords),
    /// Store a file as a document
    Put {
        /// The file; - for standard input
        file: String,
        /// Where: /<category>/<module>/<path>
        path: String,
        /// The media type
        #[arg(long, default_value = "application/octet-stream")]
        content_type: String,
        /// Only if the document still has this tag
        #[arg(long, value_name = "ETAG")]
        if_match: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch a document
    Get {
        /// Which
        path: String,
        /// Where to write it; - for standard output
        #[arg(default_value = "-")]
        file: String,
        /// Which of its concurrent versions, as cairn conflicts shows them
        #[arg(long)]
        version: Option<String>,
        /// Of another user whose public documents are here: a name, or an owner's id
        #[arg(long, value_name = "USER")]
        of: Option<String>,
        /// Print what was fetched as JSON; not with standard output as the file
        #[arg(long)]
        json: bool,
    },
    /// Show what getting a document's bytes takes, and get them: of documents too large to come by radio by themselves
    Fetch {
        /// Which
        path: String,
        /// Do not ask: get them
        #[arg(long)]
        yes: bool,
        /// Print JSON; without --yes nothing is fetched
        #[arg(long)]
        json: bool,
    },
    /// List a folder
    Ls {
        /// Which
        #[arg(default_value = "/")]
        folder: String,
        /// With everything below
        #[arg(short, long)]
        recursive: bool,
        /// Of another user whose public documents are here: a name, or an owner's id
        #[arg(long, value_name = "USER")]
        of: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete a document
    Rm {
        /// Which
        path: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The state of the node
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The other nodes of the space
    Peers {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The devices of the space
    Devices {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// What waits for other nodes
    Queue {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Documents with concurrent versions; with a path and --keep, resolve one
    Conflicts {
        /// The document to resolve
        #[arg(requires = "keep")]
        path: Option<String>,
        /// The version that stays: its number in the list, or its name
        #[arg(long, requires = "path")]
        keep: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Shut a device out for good
    Revoke {
        /// Its id, the beginning of it, or its name
        node: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print your card, with which other users can share with you; or keep theirs
    Card {
        /// What else to do with cards
        #[command(subcommand)]
        words: Option<CardWords>,
        /// Draw the card as a QR code as well
        #[arg(long)]
        qr: bool,
        /// Name this address on the card instead of the node's own. May be repeated
        #[arg(long, value_name = "ADDRESS")]
        address: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Share a folder with another user: prints an invitation, which also goes to that user's devices by itself
    Share {
        /// Which: /shared/<module>/, or a folder below
        folder: String,
        /// The name of a user whose card is here, or a card. May be repeated
        #[arg(long, required = true, value_name = "USER")]
        with: Vec<String>,
        /// The user may write there, too
        #[arg(long)]
        write: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a shared folder from a user, or from all; leave one that another user shares
    Unshare {
        /// Which
        folder: String,
        /// From whom. Default: from all
        #[arg(long, value_name = "USER")]
        with: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the shared folders; or let one in
    Shares {
        /// What else to do
        #[command(subcommand)]
        words: Option<SharesWords>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Other users' public documents
    #[command(subcommand)]
    Follow(FollowWords),
    /// Copies of a space, sealed, on other users' nodes
    #[command(subcommand)]
    Custody(CustodyWords),
    /// LoRa modems
    #[command(subcommand)]
    Modem(ModemWords),
    /// Write a folder as a tar archive
    Export {
        /// Which folder
        #[arg(default_value = "/")]
        folder: String,
        /// Where to; - for standard output
        #[arg(default_value = "-")]
        file: String,
    },
    /// Store the files of a tar archive
    Import {
        /// The archive; - for standard input
        file: String,
        /// Into which folder
        #[arg(default_value = "/")]
        folder: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a frame, entry, grant or invite as JSON
    Decode {
        /// A file, - for standard input, hexadecimal digits, or an invite code
        #[arg(default_value = "-")]
        what: String,
    },
    /// Print a script that completes these words in a shell
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// What to do with modems.
#[derive(Debug, Subcommand)]
pub enum ModemWords {
    /// Say which modem is at which serial port
    Probe {
        /// The ports. Default: all that this machine has
        port: Vec<String>,
        /// The GPIO lines that an E22's M0 and M1 are wired to. Default: 22,27 on a Raspberry Pi's own serial port
        #[arg(long, value_name = "[CHIP:]M0,M1")]
        mode_lines: Option<ModeLines>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Call other nodes by radio and show how well each hears the other
    Test {
        /// The modem's serial port
        port: String,
        /// How it is set
        #[command(flatten)]
        radio: RadioArguments,
        /// How often to call
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=100))]
        count: u8,
        /// Print JSON, a line for each thing that happens
        #[arg(long)]
        json: bool,
    },
}

/// What to do with the owner's key.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum OwnerWords {
    /// Print the recovery phrase, while the owner's key is on this device
    Phrase {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take the owner's key off this device; the recovery phrase is asked for, which is all that is left then
    Forget,
    /// Bring the owner's key back to this device by the recovery phrase, which is read from standard input
    Restore,
}

/// What to do with the node's keys.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum KeyWords {
    /// Lock them by a passphrase, which every start of the node needs from then on
    Lock,
    /// Write them in the clear again
    Unlock,
    /// Say which keys are here, and whether they are locked
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What to do with access tokens.
#[derive(Debug, Subcommand)]
pub enum TokenWords {
    /// Make one; it is printed alone, and never again
    New {
        /// What it opens: <module>:r, <module>:rw, *:r or *:rw. May be repeated
        #[arg(long, required = true)]
        scope: Vec<String>,
        /// For which program it is
        #[arg(long, default_value = "")]
        name: String,
        /// How long it is good for, such as 24h or 90d. Default: until it is removed
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List them
    Ls {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget one
    Rm {
        /// Its id in the list, or the token itself
        token: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Other users' cards.
#[derive(Debug, Subcommand)]
pub enum CardWords {
    /// Keep another user's card: that user may share folders with you, and you with that user
    Add {
        /// What the other user's cairn card printed
        card: String,
        /// A name of your own choice. Default: the one on the card
        #[arg(long)]
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List them
    Ls {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget one: what is shared stays shared
    Rm {
        /// The user's name, or the owner's id
        whose: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Folders that other users share.
#[derive(Debug, Subcommand)]
pub enum SharesWords {
    /// Let a folder in that another user shares with you
    Accept {
        /// What the other user's cairn share printed
        code: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Other users' public documents.
#[derive(Debug, Subcommand)]
pub enum FollowWords {
    /// Keep a copy of a user's public documents here, and keep it in step
    Add {
        /// Whom: a name of cairn card ls, an owner's id, or a card
        whom: String,
        /// How much they may take, such as "10 GiB"
        #[arg(long, value_name = "SIZE")]
        quota: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List whose public documents are here
    Ls {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Follow a user no longer, and remove what is here
    Rm {
        /// The user's name, or the owner's id, as cairn follow ls shows them
        whom: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Copies of a space on other users' nodes.
#[derive(Debug, Subcommand)]
pub enum CustodyWords {
    /// Let another user's node keep your documents, private and shared ones sealed: prints the code that it needs
    Add {
        /// Its id, whole: there, cairn status shows it
        node: String,
        /// A name for it, for people
        #[arg(long, default_value = "custodian")]
        name: String,
        /// Name this address in the code instead of the node's own. May be repeated
        #[arg(long, value_name = "ADDRESS")]
        address: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Keep another user's documents
    Accept {
        /// What the other user's cairn custody add printed
        code: String,
        /// How much they may take, such as "10 GiB"
        #[arg(long, value_name = "SIZE")]
        quota: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List who keeps your documents, and whose are kept here
    Ls {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let another user's node keep yours no longer: it gets nothing more
    Remove {
        /// Its id, the beginning of it, or its name
        node: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove what is kept here for another user, and keep it no longer
    Drop {
        /// The user's name, or the owner's id, as cairn custody ls shows them
        whose: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_words_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_is_what_happens_without_a_word() {
        let cli = Cli::try_parse_from(["cairn", "--http", "127.0.0.1:0", "--no-mdns"]).unwrap();
        assert!(cli.command.is_none() && cli.run.no_mdns);
        let cli = Cli::try_parse_from(["cairn", "--home", "x", "run", "--peer", "tcp://a:1"]).unwrap();
        assert!(matches!(cli.command, Some(Words::Run(arguments)) if arguments.peer == ["tcp://a:1"]));
    }
}
