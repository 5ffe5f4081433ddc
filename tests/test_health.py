"""rollproof.health."""

from datetime import timedelta
from itertools import product

import pytest

from rollproof.errors import InvalidFields
from rollproof.health import (
    Health,
    HealthExtension,
    HttpProbe,
    PowerState,
    Scheme,
    TcpProbe,
    judge,
)

BEST_TO_WORST = [Health.HEALTHY, Health.INITIALIZING, Health.UNKNOWN, Health.UNHEALTHY]
PROVISIONED = (True, None, False)
APPLICATIONS = (None, *Health)
EVERY_SIGNAL = list(product(PowerState, PROVISIONED, APPLICATIONS))


class TestR5_1:
    """R5.1: without an application signal, running and provisioned means healthy."""

    @pytest.mark.parametrize(
        ("power_state", "provisioned", "verdict"),
        [
            (PowerState.RUNNING, True, Health.HEALTHY),
            (PowerState.RUNNING, None, Health.INITIALIZING),
            (PowerState.RUNNING, False, Health.UNHEALTHY),
            (PowerState.UNKNOWN, True, Health.UNKNOWN),
            (PowerState.UNKNOWN, None, Health.UNKNOWN),
            (PowerState.UNKNOWN, False, Health.UNHEALTHY),
            (PowerState.STOPPED, True, Health.UNHEALTHY),
            (PowerState.STOPPED, None, Health.UNHEALTHY),
            (PowerState.STOPPED, False, Health.UNHEALTHY),
        ],
    )
    def test_without_a_signal(
        self, power_state: PowerState, provisioned: bool | None, verdict: Health
    ) -> None:
        assert judge(power_state, provisioned, None) is verdict


class TestR5_3:
    """R5.3: initializing waits, unknown is not healthy, extensions come first."""

    @pytest.mark.parametrize(("power_state", "provisioned", "application"), EVERY_SIGNAL)
    def test_healthy_only_when_every_signal_is(
        self, power_state: PowerState, provisioned: bool | None, application: Health | None
    ) -> None:
        healthy = (
            power_state is PowerState.RUNNING
            and provisioned is True
            and application in (None, Health.HEALTHY)
        )
        verdict = judge(power_state, provisioned, application)
        assert (verdict is Health.HEALTHY) == healthy

    @pytest.mark.parametrize(
        ("power_state", "provisioned"), list(product(PowerState, PROVISIONED))
    )
    def test_an_application_signal_never_improves_the_verdict(
        self, power_state: PowerState, provisioned: bool | None
    ) -> None:
        alone = BEST_TO_WORST.index(judge(power_state, provisioned, None))
        for application in Health:
            verdict = judge(power_state, provisioned, application)
            assert BEST_TO_WORST.index(verdict) == max(alone, BEST_TO_WORST.index(application))

    def test_every_verdict_is_reachable(self) -> None:
        assert {judge(*signals) for signals in EVERY_SIGNAL} == set(Health)


class TestR5_2:
    """R5.2: probes over HTTP(S) or TCP, interval below 2 minutes, with a threshold."""

    def test_defaults(self) -> None:
        http, tcp = HttpProbe(port=80), TcpProbe(port=80)
        assert (http.path, http.scheme, http.expected_status) == ("/", Scheme.HTTP, 200)
        for probe in (http, tcp):
            assert probe.interval == timedelta(seconds=5)
            assert probe.timeout == timedelta(seconds=2)
            assert probe.unhealthy_threshold == 1

    @pytest.mark.parametrize("probe", [HttpProbe, TcpProbe])
    def test_ports(self, probe: type[HttpProbe] | type[TcpProbe]) -> None:
        for port in (1, 65_535):
            assert probe(port=port).port == port
        for port in (0, 65_536):
            with pytest.raises(InvalidFields):
                probe(port=port)

    @pytest.mark.parametrize("probe", [HttpProbe, TcpProbe])
    def test_interval_is_more_than_0_and_below_2_minutes(
        self, probe: type[HttpProbe] | type[TcpProbe]
    ) -> None:
        below = timedelta(minutes=2) - timedelta(microseconds=1)
        assert probe(port=80, interval=below).interval == below
        for interval in (timedelta(0), timedelta(minutes=2)):
            with pytest.raises(InvalidFields, match="more than PT0S and below PT2M"):
                probe(port=80, interval=interval)

    @pytest.mark.parametrize("threshold", [0, 25])
    def test_threshold_is_1_to_24(self, threshold: int) -> None:
        assert TcpProbe(port=80, unhealthy_threshold=24).unhealthy_threshold == 24
        with pytest.raises(InvalidFields):
            TcpProbe(port=80, unhealthy_threshold=threshold)

    def test_timeout_is_more_than_zero(self) -> None:
        with pytest.raises(InvalidFields, match='timeout: "PT0S"'):
            TcpProbe(port=80, timeout=timedelta(0))

    @pytest.mark.parametrize("path", ["", "health", "/a b", "/a\r\nX: y", "/\xe9", "/" * 1025])
    def test_a_path_cannot_break_the_request(self, path: str) -> None:
        with pytest.raises(InvalidFields, match="printable ASCII"):
            HttpProbe(port=80, path=path)

    @pytest.mark.parametrize("status", [199, 600])
    def test_expected_status_is_a_final_one(self, status: int) -> None:
        with pytest.raises(InvalidFields):
            HttpProbe(port=80, expected_status=status)
        for final in (200, 599):
            assert HttpProbe(port=80, expected_status=final).expected_status == final

    def test_a_port_is_required(self) -> None:
        with pytest.raises(TypeError, match="port"):
            HttpProbe()  # type: ignore[call-arg]  # wrong on purpose


class TestR5_2_tls:
    """R5.2: over HTTPS the certificate is looked at where that is asked for."""

    def test_off_unless_asked_for(self) -> None:
        probe = HttpProbe(port=443, scheme=Scheme.HTTPS)
        assert (probe.tls_verify, probe.tls_server_name, probe.tls_ca_file) == (
            False,
            None,
            None,
        )

    def test_all_of_it(self) -> None:
        probe = HttpProbe(
            port=443,
            scheme=Scheme.HTTPS,
            tls_verify=True,
            tls_server_name="web.example.org",
            tls_ca_file="certificates/ca.pem",
        )
        assert probe.tls_ca_file == "certificates/ca.pem"

    def test_options_without_effect_are_refused(self) -> None:
        """Over plain HTTP nothing is verified, whatever is written down."""
        with pytest.raises(InvalidFields) as caught:
            HttpProbe(port=80, tls_verify=True, tls_server_name="a", tls_ca_file="ca.pem")
        fields = [problem.field for problem in caught.value.problems]
        assert fields == ["tls_verify", "tls_server_name", "tls_ca_file"]
        assert {problem.bound for problem in caught.value.problems} == {"only with https"}
        with pytest.raises(InvalidFields, match="only with tls_verify"):
            HttpProbe(port=443, scheme=Scheme.HTTPS, tls_ca_file="ca.pem")
        named = HttpProbe(port=443, scheme=Scheme.HTTPS, tls_server_name="a")
        assert named.tls_server_name == "a"  # some servers want a name to answer at all

    @pytest.mark.parametrize("name", ["", "a b", "-a", "a.", "a" * 254, "a\n", "a/b"])
    def test_a_server_name_is_a_host_name(self, name: str) -> None:
        with pytest.raises(InvalidFields, match="tls_server_name"):
            HttpProbe(port=443, scheme=Scheme.HTTPS, tls_server_name=name)

    @pytest.mark.parametrize("file", ["", "/etc/ca.pem", "../ca.pem", "a/../../b"])
    def test_a_ca_file_lies_beside_the_document(self, file: str) -> None:
        with pytest.raises(InvalidFields, match="a relative path"):
            HttpProbe(port=443, scheme=Scheme.HTTPS, tls_verify=True, tls_ca_file=file)


class TestR5_2_extension:
    """R5.2: reported from inside; interval 5..60 s, 1..24 probes, grace period."""

    def test_defaults(self) -> None:
        extension = HealthExtension(port=9000)
        assert (extension.path, extension.file) == ("/report", None)
        assert extension.interval == timedelta(seconds=5)
        assert extension.unhealthy_threshold == 1

    @pytest.mark.parametrize("seconds", [5, 60])
    def test_interval_is_5_to_60_seconds(self, seconds: int) -> None:
        interval = timedelta(seconds=seconds)
        assert HealthExtension(port=1, interval=interval).interval == interval
        outside = interval + timedelta(microseconds=1 if seconds == 60 else -1)
        with pytest.raises(InvalidFields) as caught:
            HealthExtension(port=1, interval=outside)
        (problem,) = caught.value.problems
        assert problem.bound == "a duration at least PT5S and at most PT1M"
        assert problem.requirement == "R5.2"

    @pytest.mark.parametrize("threshold", [0, 25])
    def test_1_to_24_probes(self, threshold: int) -> None:
        assert HealthExtension(port=1, unhealthy_threshold=24).unhealthy_threshold == 24
        with pytest.raises(InvalidFields, match=r"from 1 to 24 \(R5.2\)"):
            HealthExtension(port=1, unhealthy_threshold=threshold)

    def test_grace_period(self) -> None:
        """Two hours at most; left out, as long as the first verdict takes."""
        for grace in (timedelta(0), timedelta(hours=2)):
            assert HealthExtension(port=1, grace_period=grace).grace == grace
        for grace in (timedelta(seconds=-1), timedelta(hours=2, seconds=1)):
            with pytest.raises(InvalidFields) as caught:
                HealthExtension(port=1, grace_period=grace)
            (problem,) = caught.value.problems
            assert problem.bound == "a duration at least PT0S and at most PT2H, or left out"
            assert problem.requirement == "R5.2"
        extension = HealthExtension(
            port=1, interval=timedelta(seconds=10), unhealthy_threshold=3
        )
        assert extension.grace == timedelta(seconds=30)

    def test_one_place_to_publish(self) -> None:
        assert HealthExtension(file="run/report.json").port is None
        with pytest.raises(InvalidFields, match="neither port nor file"):
            HealthExtension()
        with pytest.raises(InvalidFields, match="both port and file"):
            HealthExtension(port=1, file="report.json")

    @pytest.mark.parametrize("file", ["", "/run/report.json", "../report.json"])
    def test_a_file_stays_on_the_disk(self, file: str) -> None:
        with pytest.raises(InvalidFields, match="a relative path"):
            HealthExtension(file=file)
