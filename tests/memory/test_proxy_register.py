"""
REGISTER through SIP Proxies.
"""

from __future__ import annotations

from tests.memory.proxies import ALICE, DOMAIN, ProxyTestCase


class RegisterTests(ProxyTestCase):
    """
    A node decides, the proxy stores.
    """

    def test_stored(self) -> None:
        """
        What a node grants is stored, and the 200 has it.
        """
        alice = self.phone(ALICE)
        response = self.register(alice, "alice")
        self.assertEqual(
            response.headers.all(b"Contact"),
            [f"<sip:alice@{ALICE}:5060>;expires=600".encode()],
        )
        [binding] = self.store.bindings(f"sip:alice@{DOMAIN}".encode())
        self.assertEqual(binding.contact, f"sip:alice@{ALICE}:5060".encode())
        self.assertAllGone()
