// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {DatasetRegistry} from "../src/DatasetRegistry.sol";
import {Disputes} from "../src/dispute/Disputes.sol";
import {LineRules} from "../src/dispute/LineRules.sol";
import {JobMarket} from "../src/JobMarket.sol";
import {LicenseMarket} from "../src/LicenseMarket.sol";
import {ProviderRegistry} from "../src/ProviderRegistry.sol";
import {TestUSD} from "../src/TestUSD.sol";
import {IJobMarket} from "../src/interfaces/IJobMarket.sol";
import {IPrepaidOrders} from "../src/payments/IPrepaidOrders.sol";
import {PrepaidOrders} from "../src/payments/PrepaidOrders.sol";
import {TestUSDWithAuthorization} from "../src/payments/TestUSDWithAuthorization.sol";
import {Wallet} from "./MandateWorld.sol";
import {World} from "./World.sol";

/// @title A signed transfer to an order's account buys that order or returns to its payer
contract PrepaidOrdersTest is World {
    uint256 internal constant PAYER_KEY = 0xA11CE;
    uint256 internal constant COST = LICENSE_PRICE + JOB_PRICE + MAX_FEE;
    bytes32 internal constant NONCE = keccak256("a transfer");

    TestUSDWithAuthorization internal dollar;
    PrepaidOrders internal orders;
    address internal payer;
    uint256 internal offer;

    function setUp() public {
        _deploy();
        // The same market once more, in dollars that take signed transfers.
        dollar = new TestUSDWithAuthorization();
        usd = TestUSD(address(dollar));
        datasets = new DatasetRegistry();
        address market = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 4);
        licenses = new LicenseMarket(usd, datasets, market);
        providers = new ProviderRegistry(usd, market, FLOOR, UNBONDING, ALIVE);
        disputes = new Disputes(market, DISPUTE_BOND, MOVE, new LineRules());
        jobs = new JobMarket(usd, datasets, licenses, providers, disputes, guardian, _windows());
        _fund(owner);
        for (uint256 i = 0; i < p.length; ++i) {
            _fund(p[i]);
        }
        orders = new PrepaidOrders(jobs);
        payer = vm.addr(PAYER_KEY);
        dollar.faucet(payer, 1_000 * USD);
        offer = _offer();
    }

    function _prepaid() internal view returns (IPrepaidOrders.PrepaidOrder memory order) {
        order.payer = payer;
        order.offer = offer;
        order.notAfter = uint64(block.timestamp + 1 hours);
        order.nonce = keccak256("an order");
        order.job = _order(0, 2);
    }

    function _transfer(address to, uint256 value) internal returns (IPrepaidOrders.Authorization memory paid) {
        paid.value = value;
        paid.validBefore = block.timestamp + 1 hours;
        paid.nonce = NONCE;
        paid.signature = _sign(
            keccak256(
                abi.encode(
                    keccak256(
                        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                    ),
                    payer,
                    to,
                    value,
                    paid.validAfter,
                    paid.validBefore,
                    NONCE
                )
            )
        );
    }

    function _sign(bytes32 said) internal returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = _parts(said);
        return abi.encodePacked(r, s, v);
    }

    function _parts(bytes32 said) internal returns (uint8 v, bytes32 r, bytes32 s) {
        return vm.sign(PAYER_KEY, keccak256(abi.encodePacked("\x19\x01", dollar.DOMAIN_SEPARATOR(), said)));
    }

    /// @dev A stranger carries the payment, as a facilitator would.
    function _open(IPrepaidOrders.PrepaidOrder memory order, IPrepaidOrders.Authorization memory paid)
        internal
        returns (uint256)
    {
        vm.prank(stranger);
        return orders.open(order, paid);
    }

    function test_one_signature_buys_license_and_job() public {
        IPrepaidOrders.PrepaidOrder memory order = _prepaid();
        address account = orders.accountOf(order);
        vm.assertEq(orders.priceOf(order), COST);
        IPrepaidOrders.Authorization memory paid = _transfer(account, COST + 3);
        vm.expectEmit(address(orders));
        emit IPrepaidOrders.OrderOpened(orders.idOf(order), payer, 1, 1, JOB_PRICE + MAX_FEE);
        uint256 job = _open(order, paid);
        vm.assertEq(jobs.get(job).buyer, account);
        vm.assertEq(licenses.licenseOf(1).buyer, account);
        vm.assertEq(dollar.balanceOf(account), 3);
        vm.assertEq(dollar.balanceOf(stranger), 0);
        (uint256 license, uint256 known) = orders.opened(orders.idOf(order));
        vm.assertEq(license, 1);
        vm.assertEq(known, job);
        // What was too much returns by anybody's call.
        vm.expectEmit(address(orders));
        emit IPrepaidOrders.OrderRefunded(orders.idOf(order), payer, 3);
        vm.prank(stranger);
        vm.assertEq(orders.refund(order), 3);
    }

    function test_the_same_payment_opens_nothing_twice() public {
        IPrepaidOrders.PrepaidOrder memory order = _prepaid();
        IPrepaidOrders.Authorization memory paid = _transfer(orders.accountOf(order), COST);
        uint256 job = _open(order, paid);
        vm.expectRevert(abi.encodeWithSelector(IPrepaidOrders.OrderIsOpen.selector, orders.idOf(order), job));
        _open(order, paid);
        // Nor does it pay for an equal order of another nonce.
        order.nonce = keccak256("another");
        bytes32 id = orders.idOf(order);
        vm.expectRevert(abi.encodeWithSelector(IPrepaidOrders.OrderUnpaid.selector, id, COST, 0));
        _open(order, paid);
    }

    function test_a_payment_to_another_account_is_taken_by_nobody() public {
        IPrepaidOrders.PrepaidOrder memory order = _prepaid();
        IPrepaidOrders.Authorization memory paid = _transfer(orders.accountOf(order), COST);
        order.job.circuit = keccak256("another circuit");
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        _open(order, paid);
        order = _prepaid();
        order.job.sealingKey = keccak256("the facilitator's key");
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        _open(order, paid);
        vm.assertEq(dollar.balanceOf(payer), 1_000 * USD);
    }

    function test_too_little_takes_nothing() public {
        IPrepaidOrders.PrepaidOrder memory order = _prepaid();
        IPrepaidOrders.Authorization memory paid = _transfer(orders.accountOf(order), COST - 1);
        bytes memory why =
            abi.encodeWithSelector(IPrepaidOrders.OrderUnpaid.selector, orders.idOf(order), COST, COST - 1);
        vm.expectRevert(why);
        _open(order, paid);
        vm.assertEq(dollar.balanceOf(payer), 1_000 * USD);
        vm.assertFalse(dollar.authorizationState(payer, NONCE));
    }

    function test_a_payment_that_somebody_sent_first_counts() public {
        IPrepaidOrders.PrepaidOrder memory order = _prepaid();
        IPrepaidOrders.Authorization memory paid = _transfer(orders.accountOf(order), COST);
        dollar.transferWithAuthorization(
            payer, orders.accountOf(order), paid.value, 0, paid.validBefore, NONCE, paid.signature
        );
        vm.assertEq(_open(order, paid), 1);
    }

    function test_money_without_a_signature_pays_too_and_returns_when_it_is_late() public {
        IPrepaidOrders.PrepaidOrder memory order = _prepaid();
        address account = orders.accountOf(order);
        vm.prank(payer);
        dollar.transfer(account, COST);
        vm.expectRevert(abi.encodeWithSelector(IPrepaidOrders.OrderMayOpen.selector, orders.idOf(order), stranger));
        vm.prank(stranger);
        orders.refund(order);
        vm.prank(payer);
        vm.assertEq(orders.refund(order), COST);
        vm.prank(payer);
        dollar.transfer(account, COST);
        vm.warp(uint256(order.notAfter) + 1);
        IPrepaidOrders.Authorization memory none;
        vm.expectRevert(
            abi.encodeWithSelector(IPrepaidOrders.OrderExpired.selector, orders.idOf(order), order.notAfter)
        );
        _open(order, none);
        vm.prank(stranger);
        vm.assertEq(orders.refund(order), COST);
        vm.assertEq(dollar.balanceOf(payer), 1_000 * USD);
    }

    function test_an_order_names_no_license() public {
        IPrepaidOrders.PrepaidOrder memory order = _prepaid();
        order.job.license = 1;
        IPrepaidOrders.Authorization memory paid = _transfer(orders.accountOf(order), COST);
        vm.expectRevert(abi.encodeWithSelector(IPrepaidOrders.OrderNamesLicense.selector, orders.idOf(order), 1));
        _open(order, paid);
    }

    function test_a_job_that_expired_is_opened_again_out_of_what_came_back() public {
        _bondFirst(3);
        IPrepaidOrders.PrepaidOrder memory order = _prepaid();
        order.notAfter = uint64(block.timestamp + 30 days);
        IPrepaidOrders.Authorization memory paid = _transfer(orders.accountOf(order), COST);
        uint256 first = _open(order, paid);
        vm.warp(block.timestamp + DRAW + 1);
        jobs.expire(first);
        uint256 second = _open(order, paid);
        vm.assertEq(second, first + 1);
        vm.assertEq(jobs.get(second).license, jobs.get(first).license);
        vm.assertEq(dollar.balanceOf(payer), 1_000 * USD - COST);
        vm.warp(block.timestamp + DRAW + 1);
        jobs.expire(second);
        // While it could be opened again, the payer alone takes the money home.
        vm.expectRevert(abi.encodeWithSelector(IPrepaidOrders.OrderMayOpen.selector, orders.idOf(order), stranger));
        vm.prank(stranger);
        orders.refund(order);
        vm.prank(payer);
        vm.assertEq(orders.refund(order), JOB_PRICE + MAX_FEE);
        bytes memory why =
            abi.encodeWithSelector(IPrepaidOrders.OrderUnpaid.selector, orders.idOf(order), JOB_PRICE + MAX_FEE, 0);
        vm.expectRevert(why);
        _open(order, paid);
    }

    function test_a_contract_wallet_pays() public {
        Wallet wallet = new Wallet(payer);
        dollar.faucet(address(wallet), COST);
        IPrepaidOrders.PrepaidOrder memory order = _prepaid();
        order.payer = address(wallet);
        payer = address(wallet);
        IPrepaidOrders.Authorization memory paid = _transfer(orders.accountOf(order), COST);
        vm.assertEq(_open(order, paid), 1);
    }

    function test_the_dollars_forms_for_wallets_follow_the_standard() public {
        uint256 until = block.timestamp + 1 hours;
        bytes32 kind = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes memory proof = _sign(keccak256(abi.encode(kind, payer, stranger, 5, 0, until, NONCE)));
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, stranger));
        dollar.receiveWithAuthorization(payer, stranger, 5, 0, until, NONCE, proof);
        vm.startPrank(stranger);
        dollar.receiveWithAuthorization(payer, stranger, 5, 0, until, NONCE, proof);
        vm.stopPrank();
        vm.assertEq(dollar.balanceOf(stranger), 5);
        bytes32 other = keccak256("never sent");
        bytes32 said =
            keccak256(abi.encode(keccak256("CancelAuthorization(address authorizer,bytes32 nonce)"), payer, other));
        proof = _sign(said);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        dollar.cancelAuthorization(payer, NONCE, proof);
        dollar.cancelAuthorization(payer, other, proof);
        vm.assertTrue(dollar.authorizationState(payer, other));
        vm.assertEq(dollar.version(), "1");
        vm.assertEq(uint256(dollar.decimals()), 6);
        uint256 cap = dollar.FAUCET_CAP();
        vm.expectRevert(abi.encodeWithSelector(TestUSDWithAuthorization.FaucetCap.selector, cap + 1, cap));
        dollar.faucet(payer, cap + 1);
    }

    /// @dev Whatever is signed: the payer pays the price and has the job, or keeps everything.
    function testFuzz_a_payment_buys_or_stays(uint256 value, uint64 late, uint8 changed) public {
        IPrepaidOrders.PrepaidOrder memory order = _prepaid();
        value = value % (2 * COST);
        IPrepaidOrders.Authorization memory paid = _transfer(orders.accountOf(order), value);
        if (changed % 4 == 1) order.job.rows += 1;
        if (changed % 4 == 2) order.payer = stranger;
        if (changed % 4 == 3) paid.value += 1;
        vm.warp(block.timestamp + late % 2 hours);
        uint256 before = dollar.balanceOf(payer);
        try orders.open(order, paid) {
            vm.assertTrue(changed % 4 == 0 && value >= COST);
            vm.assertEq(before - dollar.balanceOf(payer), value);
            orders.refund(order);
            vm.assertEq(before - dollar.balanceOf(payer), COST);
        } catch {
            vm.assertEq(dollar.balanceOf(payer), before);
        }
    }
}
