"""Tokens of gateways, changed under Envoys that serve."""

import httpx
from weir_e2e.again import asked_again_and_again
from weir_e2e.lone_envoy import lone_envoy
from weir_e2e.sse import post
from weir_e2e.waiting import eventually


def test_an_envoy_serves_and_follows_policies_over_a_rotation_of_its_token(system, run, admin, world):
    made = admin.create("gateways", name=f"rotated-{world.tag}")
    upstream = world.upstream("openai")
    world.model("m", upstream)
    key = world.key()

    def accepted(token: str) -> bool:
        url = f"http://{run['xds_address']}/dataplane/v1/modules/none.wasm"
        return httpx.get(url, headers={"authorization": f"Bearer {token}"}).status_code != 401

    def connections() -> int:
        return sum(log.count('"an Envoy connected","node":"e2e-rotated"') for log in system.logs().values())

    with lone_envoy("e2e-rotated", made["token"], run["xds_address"]) as envoy:
        http = httpx.Client(base_url=envoy.url, headers={"authorization": f"Bearer {key.secret}"}, timeout=10)

        def serves(model: str) -> None:
            eventually(lambda: post(http, "openai", model).is_success, within_s=30, what=f"an answer for {model}")

        serves("m")
        with asked_again_and_again(http) as codes:
            rotated = admin.rotate(made["id"], overlap_seconds=3)
            assert accepted(made["token"]) and accepted(rotated["token"])
            world.model("during", upstream)
            serves("during")
            envoy.show(rotated["token"])
            eventually(lambda: not accepted(made["token"]), within_s=10, what="the end of the old token")
            # Its streams began with the old token and end with it; a new one shows the new token.
            before = connections()
            eventually(lambda: connections() > before, within_s=40, what="a stream with the new token")
            world.model("after", upstream)
            serves("after")
        assert len(codes) > 10 and set(codes) == {200}, {code: codes.count(code) for code in set(codes)}
    admin.delete("gateways", made["id"])
    eventually(lambda: not accepted(rotated["token"]), within_s=2, what="the end of a deleted gateway's token")
