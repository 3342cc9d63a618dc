"""Where a grant would reach: what lies on this machine, and what of it nobody is given."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from runtime.confinement.paths import absolute, first_above, is_below
from runtime.errors import BundleError, GrantMissing

SYSTEM: Final = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys",
    "/usr", "/var/lib/dpkg",
)  # fmt: skip
"""Never granted for writing, nor what contains them; single devices are (see `Ground.checked`)."""

_SHARED_DEVICES: Final = ("/dev/shm", "/dev/pts", "/dev/mqueue")


def _no_links(_: str) -> Iterable[str]:
    return ()


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of the disk, for one bundle; every path absolute and without links.

    Attributes:
        folder: The bundle's; relative paths lie below it.
        home: The server's home folder; what ``~`` means.
        state: The server's state folder.
        others: Programs, folders and files of variables of the other bundles.
        ours: What processes of the server run: the interpreter, its packages, environments, our package.
        grantable: Where somebody who runs the server allows grants; empty: everywhere but for the rest.
        hidden: Files of the server, perhaps among the bundle's: never granted, nor what contains them.
        foreign: Where sessions of other bundles may write, in this one's folder: not granted with that.
        is_shared: Sessions of other bundles may write in that folder itself.
        written: What sessions of the bundle may write: links in there are theirs, not their author's.
        real: Follows the links of a path that exists; raises OSError otherwise.
        links: Where the links lie that are followed on the way.
    """

    folder: str
    home: str
    state: str
    real: Callable[[str], str]
    others: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    grantable: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    is_shared: bool = False
    written: tuple[str, ...] = ()
    links: Callable[[str], Iterable[str]] = _no_links

    def checked(self, text: str, *, key: str, source: str, is_servers: bool = False) -> str:
        """The path that `text` means, if it may be granted.

        What it leads to later is another question: who opens it does so without following links.

        Args:
            key: ``read`` or ``write``.
            source: Who asks, for the error: ``@service.path("/x")``, say.
            is_servers: Whoever runs the server asks: `grantable` does not bind them.

        Raises:
            GrantMissing: It is not there, or not for our user.
            BundleError: It reaches what nobody is given; the cure says what to write.
        """
        named = f'{source}: {key} names "{text}"'
        wanted = absolute(text, folder=self.folder, home=self.home)
        try:
            path = self.real(wanted)
        except FileNotFoundError:
            raise GrantMissing(
                f"{named}, and there is no {wanted}",
                cure=f"Make it, or mend the path; relative ones lie below {self.folder}.",
            ) from None
        except OSError as error:
            raise GrantMissing(
                f"{named}, and {wanted} cannot be reached: {error.strerror or error}",
                cure="Let the server's user reach it, or name another.",
            ) from None
        self._refuse_state(path, named)
        for other in self.others:
            if is_below(path, other) or is_below(other, path):
                raise BundleError(
                    f"{named}, which would give it another bundle's {other}",
                    cure="Name a folder that is this bundle's own, or one beside the bundles, to share.",
                )
        self._refuse_hidden(path, named)
        self._refuse_led_out(wanted, path, named)
        if key == "write":
            self._refuse_what_runs(path, named)
        if self.grantable and not is_servers and first_above(path, self.grantable) is None:
            raise BundleError(
                f"{named}, and {path} is not below what this server grants ({', '.join(self.grantable)})",
                cure="Name one below, or have whoever runs the server add it to confinement.grantable.",
            )
        return path

    def refuse_foreign(self, wanted: str, path: str, *, named: str) -> None:
        """Refuse a file of the bundle that the server reads for it, with its own rights.

        Args:
            wanted: Where the bundle has it.
            path: Where it really lies.
            named: What it is, for the error.

        Raises:
            BundleError: A link leads to what is another's, or out of what sessions may write.
        """
        if path == posixpath.join(self.real(posixpath.dirname(wanted)), posixpath.basename(wanted)):
            return  # no link
        named = f"{named} is a link to {path}"
        self._refuse_state(path, named)
        if (other := first_above(path, self.others)) is not None:
            raise BundleError(
                f"{named}, which is another bundle's ({other})",
                cure="Write the file itself, or keep what they share in a folder beside the bundles.",
            )
        self._refuse_hidden(path, named)
        self._refuse_led_out(wanted, path, named)

    def may_use_devices(self) -> bool:
        """Whether a bundle may ask for devices at all (`gpu`)."""
        return not self.grantable or first_above("/dev", self.grantable) is not None

    def _refuse_state(self, path: str, named: str) -> None:
        if is_below(path, self.state):
            raise BundleError(
                f"{named}, which lies in the server's state folder {self.state}",
                cure="Use $TMPDIR, which is the session's own, or a folder elsewhere.",
            )
        if is_below(self.state, path):
            raise BundleError(
                f"{named}, which contains the server's state folder {self.state}",
                cure="Name the folders in it that are needed, or move the state folder (BULKHEAD_STATE_DIR).",
            )

    def _refuse_hidden(self, path: str, named: str) -> None:
        for one in self.hidden:
            if is_below(path, one) or is_below(one, path):
                how = "is" if path == one else "contains"
                raise BundleError(
                    f"{named}, which {how} the server's own file {one}",
                    cure="Name folders beside it, or keep that file elsewhere (--config).",
                )

    def _refuse_led_out(self, wanted: str, path: str, named: str) -> None:
        """What lies where sessions may write is what they made of it, also a link to where they may not."""
        last = posixpath.join(self.real(posixpath.dirname(wanted)), posixpath.basename(wanted))
        for place in (*self.links(wanted), last):
            for top in self.written:
                if place != top and is_below(place, top) and not is_below(path, top):
                    raise BundleError(
                        f"{named}, and the link {place}, which its sessions may write, leads out of {top}",
                        cure="Remove the link; what lies elsewhere is named by its own path.",
                    )

    def _refuse_what_runs(self, path: str, named: str) -> None:
        is_device = path.startswith("/dev/") and first_above(path, _SHARED_DEVICES) is None
        # A bundle may live in /usr/src/app: what is in its folder is its own then, not the system's.
        is_own = is_below(path, self.folder) and first_above(self.folder, SYSTEM) not in (None, self.folder)
        for top in () if is_device or is_own else SYSTEM:
            if is_below(path, top) or is_below(top, path):
                raise BundleError(
                    f"{named}, which is the system's ({top})", cure="Name a folder of your own."
                )
        for top in self.ours:
            if is_below(path, top) or is_below(top, path):
                raise BundleError(
                    f"{named}, and the server's processes run what is in {top}",
                    cure="Name a folder without programs of the server; reading it needs no grant.",
                )
