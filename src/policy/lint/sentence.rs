//! What a finding says to the operator.
//!
//! Must not: name the rule or its place; whoever prints it knows where it stands.
#![forbid(unsafe_code)]

use std::fmt;

use super::Oddity;

impl fmt::Display for Oddity {
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SharedTopic => {
                "no topic begins with $share, so this never matches: messages of shared subscriptions \
                 are judged by their topic alone; write the filter without $share/GROUP/"
            }
            Self::BrokersOwnTopic => {
                "the broker lets nobody publish below $SYS, so this never matters; take it out"
            }
            Self::ImpossibleLiteral => {
                "no client can send this filter as it stands, so this never matches; name a group \
                 without wildcards, or use the type that covers filters"
            }
            Self::DeniedWildcard => {
                "its role denies subscriptions with wildcards before it asks this rule; allow them in \
                 the role, or take the rule out"
            }
            Self::LiteralName => {
                "%c or %u is compared literally here: it stands for a name only as a whole level of a \
                 pattern"
            }
            Self::NameInsideLevel => {
                "%c or %u beside other text stands for the name here as in Mosquitto 2.0, but Mosquitto \
                 2.1 never matches it; make it a level of its own"
            }
            Self::Repeated(_) => {
                "another rule, asked before, covers this one and says the same; take it out"
            }
            Self::Overruled(_) => {
                "another rule, asked before, covers this one and says the opposite, so this is never \
                 asked; have it asked earlier, or take it out"
            }
            Self::RepeatedElsewhere => {
                "every account that has this role has another one that is asked before, with a rule that \
                 covers this one and says the same"
            }
            Self::OverruledElsewhere => {
                "every account that has this role has another one that is asked before, with a rule that \
                 covers this one and says the opposite, so this is never asked; give this role a higher \
                 priority if that was not meant"
            }
            Self::Everything => {
                "this allows every topic that does not begin with $; name the topics that are needed"
            }
            Self::BrokersStatus => {
                "this allows all that the broker says about itself, clients and their numbers among it; \
                 meant for monitoring only"
            }
            Self::Administration => {
                "this allows to administer the broker: whoever has it can give himself everything else"
            }
            Self::Overhears => {
                "by this an administrator with a limit hears what others are answered about names beyond \
                 it; take it out: what he orders is answered to him without it"
            }
            Self::ChosenClientId => {
                "clients choose their client id: this opens to whoever takes that id; bind accounts to \
                 their client ids, or use %u"
            }
            Self::NameOwnsTree => {
                "a client owns all below its own name here, whatever else is published there; put a \
                 level before the name, as in users/%u/#"
            }
            Self::AnyName(_) => {
                "+ stands here where another rule has the client's own name: this opens everybody's \
                 topics; use the name here too if that was not meant"
            }
            Self::AnonymousOnly => {
                "topics before the first user are for clients without a username, and for nobody else; \
                 what is for everybody is a pattern"
            }
        })
    }
}
